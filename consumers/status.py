"""What a process tells of itself over HTTP: `/metrics`, `/livez` (does the loop turn?) and `/readyz` (can it work?)."""

import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from msgspec import Struct, json
from prometheus_client import make_wsgi_app

from matcher.clock import Clock
from matcher.metrics import Metrics


class Status:
    """The heartbeat and the open conditions of one process. Written by its loop, read by its HTTP server."""

    def __init__(self, metrics: Metrics, clock: Clock, stall: float, conditions: Iterable[str]) -> None:
        """`stall`: seconds without a heartbeat after which the process counts as dead.

        Before the first one it is starting, for as long as its models take to load.
        """
        self.metrics = metrics
        self._clock = clock
        self._stall = stall
        self._beat: float | None = None
        self._conditions = dict.fromkeys(conditions, False)
        self._roles: dict[str, str] = {}
        metrics.ready.set(0)

    def heartbeat(self) -> None:
        self._beat = self._clock.monotonic()
        self.metrics.heartbeat.set(self._clock.now_ms() / 1000)

    def set(self, condition: str, value: bool) -> None:
        """Opens or closes one of the named conditions; the process is ready when all hold."""
        if condition not in self._conditions:
            raise KeyError(f"expected one of {', '.join(self._conditions)}, got {condition!r}")
        self._conditions[condition] = value
        self.metrics.ready.set(self.ready)

    def holds(self, condition: str) -> bool:
        """Whether one of the named conditions holds now."""
        return self._conditions[condition]

    def set_roles(self, roles: Mapping[int, str]) -> None:
        """What the process is to each partition that it has to do with."""
        self._roles = {str(partition): role for partition, role in sorted(roles.items())}

    @property
    def ready(self) -> bool:
        return all(self._conditions.values())

    @property
    def alive(self) -> bool:
        age = self._age()
        return age is None or age <= self._stall

    def _age(self) -> float | None:
        return None if self._beat is None else self._clock.monotonic() - self._beat

    def report(self) -> "Report":
        age = self._age()
        return Report(
            alive=self.alive,
            ready=self.ready and self.alive,
            heartbeat_age=None if age is None else round(age, 3),
            conditions=dict(self._conditions),
            roles=self._roles,
        )


class Report(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of `/livez` and `/readyz`. `heartbeat_age` in seconds, None while the process starts.

    `roles`: of a matcher, partition → owner (it decides), taking over (it will, after following) or standby.
    """

    alive: bool
    ready: bool
    heartbeat_age: float | None
    conditions: dict[str, bool]
    roles: dict[str, str] = {}


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True  # one each, so that a client that connects and says nothing holds up no probe


class _Quiet(WSGIRequestHandler):
    timeout = 5.0  # seconds for a client to say what it wants

    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every second; a log line for each would hide what matters."""


class StatusServer:
    """Serves a `Status` on `host:port` (0: any free port) in a thread of its own, as a context manager."""

    def __init__(self, status: Status, host: str, port: int) -> None:
        """Raises `OSError` when the address is taken."""
        self._metrics_app = make_wsgi_app(status.metrics.registry)
        self._status = status
        try:
            self._server: WSGIServer = make_server(host, port, self._answer, _Server, _Quiet)
        except OSError as error:
            raise OSError(error.errno, f"cannot serve metrics on {host}:{port}: {error.strerror}") from None
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="status", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == "/metrics":
            body: Iterable[bytes] = self._metrics_app(environ, start_response)
            return body
        report = self._status.report()
        healthy = {"/livez": report.alive, "/readyz": report.ready and report.alive}.get(path)
        if healthy is None:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"expected /metrics, /livez or /readyz\n"]
        start_response("200 OK" if healthy else "503 Service Unavailable", [("Content-Type", "application/json")])
        return [json.encode(report) + b"\n"]
