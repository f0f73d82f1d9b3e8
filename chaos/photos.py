"""The sellers' photo host, which can be told to be slow or to fail."""

import contextlib
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any, Literal

from PIL import Image

Mood = Literal["good", "slow", "failing"]
PHOTOS = 8
SIDE = 48


class PhotoHost:
    """Serves `/0.jpg` to `/7.jpg`. `mood`: slow ones take up to `slowest` seconds, failing ones break off or refuse."""

    def __init__(self, seed: int, slowest: float) -> None:
        draws = random.Random(seed)
        photos = [_photo(draws) for _ in range(PHOTOS)]
        self.mood: Mood = "good"
        self._ended = threading.Event()
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                number = int(self.path[1:2]) if self.path[1:2].isdigit() else 0
                body, status = photos[number % PHOTOS], 200
                if host.mood == "slow":
                    host._ended.wait(draws.uniform(0.0, slowest))
                elif host.mood == "failing":
                    status = draws.choice((404, 500, 503, 200))
                with contextlib.suppress(OSError):  # whoever asked may be dead
                    self.send_response(status)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body[: len(body) // 2] if host.mood == "failing" else body)

            def log_message(self, format: str, *args: Any) -> None:
                """The encoders say what they could not have."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="photos", daemon=True).start()

    def close(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def photo_host(seed: int, slowest: float) -> Iterator[PhotoHost]:
    host = PhotoHost(seed, slowest)
    try:
        yield host
    finally:
        host.close()


def _photo(draws: random.Random) -> bytes:
    packed = BytesIO()
    colours = draws.randbytes(4 * 4 * 3)
    Image.frombytes("RGB", (4, 4), colours).resize((SIDE, SIDE)).save(packed, "JPEG")
    return packed.getvalue()
