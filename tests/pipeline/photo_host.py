"""A web server on 127.0.0.1 that answers as badly as sellers' servers do."""

import contextlib
import functools
import gzip
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

from PIL import Image

PATIENCE = 120.0


def jpeg(side: int = 64, colour: tuple[int, int, int] = (200, 30, 90)) -> bytes:
    packed = BytesIO()
    Image.new("RGB", (side, side), colour).save(packed, "JPEG")
    return packed.getvalue()


@functools.cache  # packing 200 MB takes a second, which a request must not
def png_bomb(width: int, height: int, rows: int | None = None) -> bytes:
    """A PNG of some kilobytes that unpacks to `width` by `height` pixels, or says so and holds fewer `rows`."""
    packer = zlib.compressobj(9)
    line = b"\0" + bytes(width // 8)
    data = b"".join(packer.compress(line) for _ in range(height if rows is None else rows)) + packer.flush()
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\1\0\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


BOMB = png_bomb(40_000, 40_000)
GZIP_BOMB = gzip.compress(bytes(50_000_000))


class PhotoHost:
    """Serves what `PAGES` has, and what is said to never answer until `gate` is opened."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.asked: list[str] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked.append(self.path)
                page = PAGES.get(self.path.partition("?")[0], _missing)
                with contextlib.suppress(OSError):  # whoever asked has gone
                    page(self, host)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()


Page = Callable[[BaseHTTPRequestHandler, PhotoHost], None]


def _send(request: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    request.send_response(status)
    for name, value in {"content-length": str(len(body)), **headers}.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(body)


def _missing(request: BaseHTTPRequestHandler, _: PhotoHost) -> None:
    _send(request, b"no such page", 404)


def _gated(request: BaseHTTPRequestHandler, host: PhotoHost) -> None:
    host.gate.wait(PATIENCE)
    _send(request, jpeg())


def _dripping(request: BaseHTTPRequestHandler, host: PhotoHost) -> None:
    """Busy all the time, and never done."""
    request.send_response(200)
    request.end_headers()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and not host.gate.wait(0.2):
        request.wfile.write(b"\xff")


def _endless(request: BaseHTTPRequestHandler, _: PhotoHost) -> None:
    request.send_response(200)
    request.end_headers()
    for _ in range(1_000):
        request.wfile.write(bytes(100_000))


def _cut(request: BaseHTTPRequestHandler, _: PhotoHost) -> None:
    request.send_response(200)
    request.send_header("content-length", "100000")
    request.end_headers()
    request.wfile.write(jpeg()[:100])


PAGES: dict[str, Page] = {
    "/good.jpg": lambda request, _: _send(request, jpeg()),
    "/gated.jpg": _gated,
    "/dripping.jpg": _dripping,
    "/endless.jpg": _endless,
    "/cut-connection.jpg": _cut,
    "/truncated.jpg": lambda request, _: _send(request, jpeg(400)[:-1_000]),
    "/bomb.png": lambda request, _: _send(request, BOMB),
    "/empty.jpg": lambda request, _: _send(request, b""),
    "/page.jpg": lambda request, _: _send(
        request, b"<!doctype html><title>Sold out</title>", content_type="image/jpeg"
    ),
    "/drawing.svg": lambda request, _: _send(request, b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    "/noise.jpg": lambda request, _: _send(request, bytes(range(256)) * 8),
    "/circle.jpg": lambda request, _: _send(request, b"", 302, location="/circle.jpg"),
    "/broken.jpg": lambda request, _: _send(request, b"oops", 500),
    "/forbidden.jpg": lambda request, _: _send(request, b"no", 403),
    "/to-a-file.jpg": lambda request, _: _send(request, b"", 302, location="file:///etc/passwd"),
    "/gzip-bomb.jpg": lambda request, _: _send(request, GZIP_BOMB, content_encoding="gzip"),
}


@contextlib.contextmanager
def photo_host() -> Iterator[PhotoHost]:
    host = PhotoHost()
    try:
        yield host
    finally:
        host.close()
