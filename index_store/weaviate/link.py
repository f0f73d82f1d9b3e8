"""The connection to a cluster: to the first node that answers, asked again until a deadline."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeVar

import weaviate
from grpc import ssl_channel_credentials
from weaviate import WeaviateClient
from weaviate.classes.init import AdditionalConfig, Auth, GrpcConfig, Timeout
from weaviate.exceptions import (
    AuthenticationFailedError,
    InsufficientPermissionsError,
    UnexpectedStatusCodeError,
    WeaviateBaseError,
    WeaviateInvalidInputError,
)

from index_store.weaviate.errors import WeaviateAway, WeaviateMismatch
from index_store.weaviate.settings import Endpoint, WeaviateSettings, endpoints

_log = logging.getLogger(__name__)
_PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds between attempts; the last one is repeated
_ATTEMPT: Final = 15.0  # seconds for one request
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
        self._client: WeaviateClient | None = None
        self._turn = threading.Lock()
        self._on_waiting = on_waiting
        self._waiting = 0
        self._looked_at = clock()
        self._under_way: dict[object, tuple[float, str]] = {}
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="weaviate-watch", daemon=True).start()

    def ask(self, what: str, request: Callable[[WeaviateClient], T], deadline: float | None = None) -> T:
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
            while True:
                client: WeaviateClient | None = None
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

    def _connected(self) -> WeaviateClient:
        with self._turn:
            if self._client is not None and not self._answers():
                self._client.close()
                self._client = None
                self._addresses.append(self._addresses.pop(0))
            if self._client is None:
                client = _client(self._addresses[0], self._settings.api_key)
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

    def _was_left(self, client: WeaviateClient | None) -> bool:
        """Whether another thread has closed this client, of which gRPC tells a request with a `ValueError`."""
        with self._turn:
            return client is not self._client

    def _leave(self, client: WeaviateClient | None) -> None:
        """Take the next address, unless another thread has done so since `client` was taken."""
        with self._turn:
            if client is not None and client is self._client:
                client.close()
                self._client = None
                self._addresses.append(self._addresses.pop(0))


def _client(address: Endpoint, api_key: str) -> WeaviateClient:
    certificates = os.environ.get("SSL_CERT_FILE") if address.secure else None
    return weaviate.WeaviateClient(
        connection_params=weaviate.connect.ConnectionParams.from_params(
            http_host=address.host,
            http_port=address.port,
            http_secure=address.secure,
            grpc_host=address.grpc_host,
            grpc_port=address.grpc_port,
            grpc_secure=address.secure,
        ),
        auth_client_secret=Auth.api_key(api_key) if api_key else None,
        additional_config=AdditionalConfig(
            timeout=Timeout(init=5, query=_ATTEMPT, insert=_ATTEMPT),
            # httpx and gRPC have variables of their own for certificates that the system does not know: one will do.
            trust_env=bool(certificates),
            grpc_config=GrpcConfig(credentials=ssl_channel_credentials(Path(certificates).read_bytes()))
            if certificates
            else None,
        ),
        skip_init_checks=True,  # they ask the internet for newer clients
    )
