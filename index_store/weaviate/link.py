"""The connection to a cluster: to the first node that answers, asked again until a deadline."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final, TypeVar

from weaviate.exceptions import (
    AuthenticationFailedError,
    InsufficientPermissionsError,
    UnexpectedStatusCodeError,
    WeaviateBaseError,
    WeaviateInvalidInputError,
)

from index_store.weaviate.client import Client
from index_store.weaviate.errors import WeaviateAway, WeaviateMismatch
from index_store.weaviate.settings import WeaviateSettings, endpoints

_log = logging.getLogger(__name__)
_PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds between attempts; the last one is repeated
_LOOK: Final = 0.5  # seconds between looks at whether an address is alive
_LATE: Final = 3.0  # seconds without an answer after which a request counts as waiting
_FATAL: Final = (AuthenticationFailedError, InsufficientPermissionsError, WeaviateInvalidInputError)

_REFUSED: Final = (401, 403, 422)  # HTTP: no key or a wrong one; a key that may not; settings that cannot be

T = TypeVar("T")


class Incomplete(Exception):
    """A request was answered, and not all of it was done; the text says what stands in the way."""


class Link:
    """Asks a cluster, from any number of threads. What fails is asked again, of the next address, until it is done or
    the deadline has passed."""

    def __init__(
        self,
        settings: WeaviateSettings,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
        on_waiting: Callable[[str], None] = lambda _: None,
    ) -> None:
        """on_waiting: is told, from any thread and again and again, what is waited for; "" when nothing is any more."""
        self._settings = settings
        self._addresses = endpoints(settings.url)
        self._clock = clock
        self._pause = pause
        self._client: Client | None = None
        self._turn = threading.Lock()
        self._on_waiting = on_waiting
        self._waiting = 0
        self._looked_at = clock()
        self._under_way: dict[object, tuple[float, str]] = {}
        self._here = threading.local()
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="weaviate-watch", daemon=True).start()

    def ask(self, what: str, request: Callable[[Client], T], deadline: float | None = None) -> T:
        """The result of `request`, which may be called any number of times, also after it had an effect.

        deadline: seconds, instead of that of the settings; 0: one attempt. `what` is said in messages, as in "asked to
        …". Raises `WeaviateAway` when the deadline has passed; `WeaviateMismatch` for what asking again cannot mend.
        """
        seconds = self._settings.deadline if deadline is None else deadline
        end = self._clock() + seconds
        tries = 0
        with ExitStack() as afterwards:
            asked = object()
            self._under_way[asked] = time.monotonic(), what
            afterwards.callback(self._under_way.pop, asked)
            afterwards.callback(setattr, self._here, "asked", getattr(self._here, "asked", None))
            self._here.asked = asked
            while True:
                client: Client | None = None
                try:
                    client = self._connected()
                    return request(client)
                except _FATAL as error:
                    raise WeaviateMismatch(f"Weaviate at {self._addresses[0]} refuses to {what}: {error}") from error
                except (WeaviateBaseError, Incomplete, OSError, ValueError) as error:
                    if isinstance(error, ValueError) and not self._was_left(client):
                        raise
                    if isinstance(error, UnexpectedStatusCodeError) and error.status_code in _REFUSED:
                        raise WeaviateMismatch(
                            f"Weaviate at {self._addresses[0]} refuses to {what}: {error}"
                        ) from error
                    pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
                    if self._clock() + pause > end:
                        raise WeaviateAway(
                            f"Weaviate at {', '.join(map(str, self._addresses))} could not {what} within "
                            f"{seconds:g} s; nothing is lost, it is done when enough of the cluster is there again. "
                            f"It said: {error}"
                        ) from error
                    if not tries:
                        afterwards.callback(self._wait_no_more)
                    self._say_waiting(f"{what}: {error}", tries)
                    tries += 1
                    if not isinstance(error, Incomplete):
                        self._leave(client)
                    self._pause(pause)

    def heard(self) -> None:
        """What this thread asks was answered in part just now: it does not wait. Called from within the request."""
        asked = self._here.asked
        self._under_way[asked] = time.monotonic(), self._under_way[asked][1]

    def _say_waiting(self, text: str, tries: int) -> None:
        with self._turn:
            self._waiting += not tries
            first = not tries and self._waiting == 1
        # Of the queries of one batch, one speaks for all.
        if first or tries >= len(_PAUSES):
            _log.warning("waiting for Weaviate to %s", text)
        self._on_waiting(text)

    def _wait_no_more(self) -> None:
        with self._turn:
            self._waiting -= 1
            over = not self._waiting
        if over:
            self._on_waiting("")

    def _watch(self) -> None:
        """Says what waits inside the client, which asks an address that is dead again for a minute, by itself."""
        late = False
        while not self._ended.wait(1.0):
            before = time.monotonic() - _LATE
            slow = [what for since, what in tuple(self._under_way.values()) if since < before]
            if slow:
                self._say_waiting(f"{slow[0]}: no answer for {_LATE:g} s", int(late))
            elif late:
                self._wait_no_more()
            late = bool(slow)
        if late:
            self._wait_no_more()

    def close(self) -> None:
        """End the connection. Closing twice is allowed."""
        self._ended.set()
        with self._turn:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _connected(self) -> Client:
        with self._turn:
            if self._client is not None and not self._answers():
                self._client.close()
                self._client = None
                self._addresses.append(self._addresses.pop(0))
            if self._client is None:
                client = Client(self._addresses[0], self._settings.api_key)
                try:
                    client.connect()
                except BaseException:
                    self._addresses.append(self._addresses.pop(0))
                    raise
                self._client = client
            return self._client

    def _answers(self) -> bool:
        """Whether the address still takes connections."""
        if self._clock() < self._looked_at + _LOOK:
            return True
        self._looked_at = self._clock()
        try:
            address = self._addresses[0]
            socket.create_connection((address.grpc_host, address.grpc_port), timeout=_LOOK).close()
        except OSError:
            return False
        return True

    def _was_left(self, client: Client | None) -> bool:
        """Whether another thread has closed this client, of which gRPC tells a request with a `ValueError`."""
        with self._turn:
            return client is not self._client

    def _leave(self, client: Client | None) -> None:
        """Take the next address, unless another thread has done so since `client` was taken."""
        with self._turn:
            if client is not None and client is self._client:
                client.close()
                self._client = None
                self._addresses.append(self._addresses.pop(0))
