"""Serving the photos of a simulated market over HTTP on this machine, so that the real fetching path is used."""

from __future__ import annotations

import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import parent_process
from multiprocessing.connection import wait
from types import TracebackType
from typing import Self

from producers.marketplace.market import Marketplace, UnknownPhotoError

DEFAULT_CACHE_BYTES = 64 * 2**20


class PhotoCache:
    """Photos by path, the least recently asked for leaving first; never more than `limit` bytes."""

    def __init__(self, render: Callable[[str], bytes], limit: int) -> None:
        self._render = render
        self._limit = limit
        self._held = 0
        self._photos: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: str) -> bytes:
        """The photo, rendered if it is not held; what `render` raises passes through."""
        with self._lock:
            photo = self._photos.get(path)
            if photo is not None:
                self._photos.move_to_end(path)
                return photo
        # Outside the lock: two threads may render the same photo, to the same bytes.
        photo = self._render(path)
        with self._lock:
            if path not in self._photos:
                self._photos[path] = photo
                self._held += len(photo)
                while self._held > self._limit:
                    self._held -= len(self._photos.popitem(last=False)[1])
        return photo


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave in two writes; with Nagle's algorithm the second would wait for the peer's delayed ACK.
    disable_nagle_algorithm = True
    timeout = 60
    server: _Server

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        """A photo shop's access log is of no use to anyone here."""

    def _answer(self, *, with_body: bool) -> None:
        status, kind = HTTPStatus.OK, "image/jpeg"
        try:
            body = self.server.photos.get(self.path)
        except UnknownPhotoError:
            status, kind, body = HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"no such photo\n"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, photos: PhotoCache) -> None:
        self.photos = photos
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        request, address = super().get_request()
        with self._open_lock:
            self._open.add(request)
        return request, address

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up in the middle is its own affair."""

    def hang_up(self) -> None:
        """End connections that clients keep open, so that no thread outlives the server."""
        with self._open_lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


class PhotoServer:
    """Serves `marketplace.photo` on 127.0.0.1 from its own threads, from `start()` (or `with`) to `close()`.

    Port 0 takes a free port. HTTP/1.1 with connections kept alive; 404 for every path that is no photo. OSError when
    the port is taken.
    """

    def __init__(self, marketplace: Marketplace, port: int = 0, cache_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._server = _Server(port, PhotoCache(marketplace.photo, cache_bytes))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="photos", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    @property
    def base_url(self) -> str:
        """What photo URLs begin with, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Answer requests from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering, end open connections and free the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve_photos(seed: int, offers: int, sellers: int, port: int, ready_callback: Callable[[str], None]) -> None:
    """Serve a market's photos until this process is ended; meant as the target of a process of its own.

    Rendering is work for the interpreter, and would take its lock from whoever shares the process. `ready_callback`
    gets the base URL as soon as requests are answered. As a child started with `multiprocessing` it also ends when its
    parent does, however that happened.
    """
    with PhotoServer(Marketplace(seed, offers, sellers), port) as server:
        ready_callback(server.base_url)
        parent = parent_process()
        if parent is None:
            threading.Event().wait()
        else:
            wait([parent.sentinel])
