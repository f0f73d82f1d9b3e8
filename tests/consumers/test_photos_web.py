"""Photos over HTTP: whatever a server does, the loader answers in time, within its bounds, with the right reason."""

import gzip
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest
from PIL import Image

from consumers.photos import Photo, PhotoLimits, PhotoLoader, PhotoProblem

MAX_BYTES = 300_000
TIMEOUT = 0.3


def jpeg() -> bytes:
    out = BytesIO()
    Image.new("RGB", (40, 30), (200, 30, 40)).save(out, "JPEG")
    return out.getvalue()


class Shop(ThreadingHTTPServer):
    """A seller's server that misbehaves by path, and remembers who came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Seller)
        self.clients: set[tuple[str, int]] = set()
        self.cookies: list[str | None] = []
        self.requests = 0
        self.sent = 0
        self.closing = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what these tests are about."""


class Seller(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Shop

    def log_message(self, format: str, *args: object) -> None:
        pass

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        headers.setdefault("content_length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.server.requests += 1
        self.server.clients.add(self.client_address)
        self.server.cookies.append(self.headers.get("cookie"))
        first, *rest = self.path.strip("/").split("/")
        getattr(self, first)(*rest)

    def photo(self) -> None:
        self.answer(jpeg(), set_cookie="who=you", content_type="image/jpeg")

    def status(self, code: str) -> None:
        self.answer(b"no", int(code))

    def hop(self, left: str) -> None:
        self.answer(b"", 302, location=f"/hop/{int(left) - 1}" if int(left) else "/photo")

    def circle(self) -> None:
        self.answer(b"", 301, location="/circle")

    def elsewhere(self) -> None:
        self.answer(b"", 302, location="file:///etc/passwd")

    def page(self) -> None:
        self.answer(b"<html>photo</html>", content_type="image/jpeg")

    def announced(self) -> None:
        self.answer(b"", content_length="99999999999")

    def endless(self) -> None:
        self.send_response(200)
        self.send_header("connection", "close")
        self.end_headers()
        while not self.server.closing.is_set():
            self.server.sent += self.wfile.write(bytes(65_536))

    def drip(self, where: str) -> None:
        """A byte now and then, so that no single read ever waits long."""
        if where == "body":
            self.send_response(200)
            self.end_headers()
        else:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        while not self.server.closing.wait(0.02):
            self.wfile.write(b"x")
            self.wfile.flush()

    def silence(self) -> None:
        self.server.closing.wait(30)

    def short(self) -> None:
        self.answer(jpeg()[:200], content_length=str(len(jpeg())), connection="close")
        self.close_connection = True

    def understated(self) -> None:
        self.answer(jpeg(), content_length="300", connection="close")
        self.close_connection = True

    def packed(self, how: str) -> None:
        body = {"gzip": gzip.compress(jpeg()), "deflate": zlib.compress(jpeg())}.get(how, jpeg())
        self.answer(body, content_encoding=how)

    def half(self) -> None:
        self.answer(gzip.compress(jpeg())[:-40], content_encoding="gzip")

    def nogzip(self) -> None:
        self.answer(jpeg(), content_encoding="gzip")

    def bomb(self) -> None:
        self.answer(BOMB, content_encoding="gzip")

    def rubbish(self) -> None:
        self.wfile.write(b"\x00\x01 what?\r\n\r\n")
        self.close_connection = True


BOMB = gzip.compress(bytes(100_000_000), 9)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def direct() -> Iterator[None]:
    """No proxy between these tests and this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield


@pytest.fixture(scope="module")
def loader(direct: None) -> Iterator[PhotoLoader]:
    """A patient one."""
    made = PhotoLoader(PhotoLimits(max_bytes=MAX_BYTES, timeout=30), None, target_side=224)
    yield made
    made.close()


@pytest.fixture(scope="module")
def hasty(direct: None) -> Iterator[PhotoLoader]:
    """One that gives up soon."""
    made = PhotoLoader(PhotoLimits(max_bytes=MAX_BYTES, timeout=TIMEOUT), None, target_side=224)
    yield made
    made.close()


def reason(result: Photo | PhotoProblem) -> str:
    assert isinstance(result, PhotoProblem), result
    return result.reason


def test_a_photo_is_loaded(loader: PhotoLoader, shop: Shop) -> None:
    photo = loader.load(shop.url("/photo"))
    assert isinstance(photo, Photo)
    assert (photo.size, photo.bytes_read) == ((40, 30), len(jpeg()))


@pytest.mark.parametrize(
    ("code", "expected", "transient"),
    [
        (404, "not_found", False), (410, "not_found", False), (401, "refused", False), (403, "refused", False),
        (451, "refused", False), (400, "http_error", False), (418, "http_error", False), (203, "http_error", False),
        (408, "server_error", True), (429, "server_error", True), (500, "server_error", True),
        (503, "server_error", True),
    ],
)  # fmt: skip
def test_an_answer_without_a_photo_has_its_reason(
    loader: PhotoLoader, shop: Shop, code: int, expected: str, transient: bool
) -> None:
    problem = loader.load(shop.url(f"/status/{code}"))
    assert reason(problem) == expected
    assert isinstance(problem, PhotoProblem)
    assert problem.transient is transient


def test_redirects_are_followed_as_far_as_allowed(loader: PhotoLoader, shop: Shop) -> None:
    assert isinstance(loader.load(shop.url("/hop/2")), Photo)
    assert reason(loader.load(shop.url("/hop/3"))) == "too_many_redirects"
    before = shop.requests
    assert reason(loader.load(shop.url("/circle"))) == "too_many_redirects"
    assert shop.requests - before == 4


def test_a_redirect_to_a_file_is_not_followed(loader: PhotoLoader, shop: Shop) -> None:
    assert reason(loader.load(shop.url("/elsewhere"))) == "unsupported_scheme"


def test_a_page_that_claims_to_be_a_photo_is_not_an_image(loader: PhotoLoader, shop: Shop) -> None:
    assert reason(loader.load(shop.url("/page"))) == "not_an_image"


def test_what_is_announced_as_too_large_or_turns_out_so_is_given_up(loader: PhotoLoader, shop: Shop) -> None:
    assert reason(loader.load(shop.url("/announced"))) == "too_large"
    assert reason(loader.load(shop.url("/endless"))) == "too_large"


@pytest.mark.parametrize("path", ["/drip/body", "/drip/headers", "/silence"])
def test_the_deadline_is_for_the_whole_however_busily_it_drips(hasty: PhotoLoader, shop: Shop, path: str) -> None:
    assert reason(hasty.load(shop.url(path))) == "timeout"


def test_a_photo_that_breaks_off_is_a_network_problem_and_a_wrong_length_truncates(
    loader: PhotoLoader, shop: Shop
) -> None:
    assert reason(loader.load(shop.url("/short"))) == "network"
    assert reason(loader.load(shop.url("/understated"))) == "truncated"


@pytest.mark.parametrize("how", ["gzip", "deflate", "identity"])
def test_packed_photos_are_unpacked(loader: PhotoLoader, shop: Shop, how: str) -> None:
    assert isinstance(loader.load(shop.url(f"/packed/{how}")), Photo)


def test_packing_that_is_unknown_or_broken_has_its_reason(loader: PhotoLoader, shop: Shop) -> None:
    assert reason(loader.load(shop.url("/packed/br"))) == "http_error"
    assert reason(loader.load(shop.url("/half"))) == "truncated"
    assert reason(loader.load(shop.url("/nogzip"))) == "decode_error"


def test_a_bomb_is_never_unpacked_beyond_the_limit(loader: PhotoLoader, shop: Shop) -> None:
    loader.load(shop.url("/photo"))
    assert len(BOMB) < MAX_BYTES
    tracemalloc.start()
    try:
        assert reason(loader.load(shop.url("/bomb"))) == "too_large"
        assert tracemalloc.get_traced_memory()[1] < 10 * MAX_BYTES
    finally:
        tracemalloc.stop()


def test_nobody_there_and_no_http_are_network_problems(loader: PhotoLoader, shop: Shop) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening: nobody else can answer here
        assert reason(loader.load(f"http://127.0.0.1:{taken.getsockname()[1]}/a.jpg")) == "network"
    assert reason(loader.load(shop.url("/rubbish"))) == "network"
    assert reason(loader.load(f"https://127.0.0.1:{shop.server_port}/photo")) == "network"


@pytest.mark.parametrize(
    "url",
    ["http://", "http:///a.jpg", "http://[::1", "http://a:b:c/", "http://127.0.0.1:99999/", "http://" + "a" * 9000],
)
def test_urls_that_lead_nowhere_are_bad(loader: PhotoLoader, url: str) -> None:
    assert reason(loader.load(url)) == "bad_url"


def test_connections_are_reused_and_cookies_are_not_sent_back(loader: PhotoLoader, shop: Shop) -> None:
    for _ in range(6):
        assert isinstance(loader.load(shop.url("/photo")), Photo)
    assert (shop.requests, len(shop.clients)) == (6, 1)
    assert set(shop.cookies) == {None}


def test_many_threads_share_one_loader(loader: PhotoLoader, shop: Shop) -> None:
    paths = ["/photo", "/status/404", "/page", "/hop/1"] * 10
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda path: loader.load(shop.url(path)), paths))
    kinds = ["photo" if isinstance(r, Photo) else r.reason for r in results]
    assert kinds == ["photo", "not_found", "not_an_image", "photo"] * 10
    # One connection a thread, and a new one after each of the twenty answers whose body was not worth reading.
    assert len(shop.clients) <= 8 + 20


def test_closing_ends_what_is_under_way(direct: None, shop: Shop, within: Callable[[Callable[[], bool]], None]) -> None:
    threads = set(threading.enumerate())
    loader = PhotoLoader(PhotoLimits(timeout=60), None, target_side=224)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(loader.load, shop.url("/silence"))
        within(lambda: shop.requests == 1)
        loader.close()
        assert reason(waiting.result(timeout=30)) == "cancelled"
    assert reason(loader.load(shop.url("/photo"))) == "cancelled"
    assert not [t for t in threading.enumerate() if t not in threads and t.name == "photo-web"]


@pytest.fixture
def within() -> Callable[[Callable[[], bool]], None]:
    """Waits until something holds; fails when it does not within ten seconds."""

    def wait(holds: Callable[[], bool]) -> None:
        tick = threading.Event()
        for _ in range(1000):
            if holds():
                return
            tick.wait(0.01)
        pytest.fail("it never came true")

    return wait
