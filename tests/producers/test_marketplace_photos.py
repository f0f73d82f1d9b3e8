"""Photos of the simulated marketplace: what they show, and the server that hands them out."""

import http.client
import io
import multiprocessing
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from PIL import Image, ImageChops, ImageStat

from producers.marketplace import Marketplace, PhotoServer, UnknownPhotoError, serve_photos
from producers.marketplace.catalogue import product_of, style_of
from producers.marketplace.drawing.photo import Subject, take_photo
from producers.marketplace.drawing.scenery import backdrop, watermark
from producers.marketplace.drawing.sprite import ink_and_mask, sprite_of
from producers.marketplace.draws import Draws
from producers.marketplace.sellers import BACKDROPS, seller_of
from producers.marketplace.server import PhotoCache
from producers.marketplace.words import KINDS, PATTERNS

NO_PHOTOS = [
    "", "/", "/photos/0/0.jpg", "/photos/0/6.jpg", "/photos/00/1.jpg", "/photos/-1/1.jpg", "/photos/500/1.jpg",
    "/photos/0/1.png", "/photos/0/1.jpg?x=1", "/photos/0/1.jpg/", "/photos/../photos/0/1.jpg", "/photos/٣/1.jpg",
    "//photos/0/1.jpg", "/photos/99999999999999999999/1.jpg", "/photos/0/1.jpg\n", "/etc/passwd",
    "/photos/0/" + "1" * 5000,
]  # fmt: skip


@pytest.fixture(scope="module")
def market() -> Marketplace:
    return Marketplace(seed=3, offers=500, sellers=30)


def _paths(market: Marketplace, arrival: int) -> list[str]:
    return [urlsplit(url).path for url in market[arrival].offer.image_urls]


def _ask_twice(connection: http.client.HTTPConnection, path: str) -> None:
    """An ended connection is noticed on the first use; the second connects anew."""
    for _ in range(2):
        connection.request("GET", path)
        connection.getresponse().read()


def _thumbnail(photo: bytes) -> Image.Image:
    return Image.open(io.BytesIO(photo)).convert("RGB").resize((32, 32))


def _difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of two images in grey levels."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def test_every_photo_of_an_offer_is_a_jpeg_of_catalogue_size(market: Marketplace) -> None:
    for arrival in range(0, 500, 25):
        for path in _paths(market, arrival):
            image = Image.open(io.BytesIO(market.photo(path)))
            image.load()
            assert image.format == "JPEG"
            assert image.mode == "RGB"
            assert 320 <= image.width <= 480
            assert 320 <= image.height <= 640


def test_sellers_show_one_product_in_different_photos(market: Marketplace) -> None:
    arrivals = defaultdict(list)
    for arrival, entry in enumerate(market):
        arrivals[entry.product_id].append(arrival)
    shown = [group for group in arrivals.values() if len(group) >= 2][:20]
    assert len(shown) == 20
    for first, second, *_ in shown:
        photos = [market.photo(f"/photos/{arrival}/1.jpg") for arrival in (first, second)]
        assert _difference(*map(_thumbnail, photos)) > 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_from_both_sides_and_leaves_a_margin(kind: str) -> None:
    keys = [str(number) for number in range(200) if style_of(9, str(number)).kind == kind][:4]
    assert keys
    for key in keys:
        front, back = sprite_of(9, key, 0, False), sprite_of(9, key, 0, True)
        ink, mask = ink_and_mask(front.shaded)
        left, top, right, bottom = front.box
        assert min(left, top, mask.width - right, mask.height - bottom) > 0
        assert 0.05 < ImageStat.Stat(mask).mean[0] / 255 < 0.7
        if kind not in ("sneaker", "boot", "sandal") or product_of(9, key, 0).logo != "none":
            assert _difference(ink, ink_and_mask(back.shaded)[0]) > 0


def test_siblings_have_one_outline_and_another_look() -> None:
    for key in map(str, range(25)):
        (ink, mask), (other_ink, other_mask) = (ink_and_mask(sprite_of(9, key, n, False).sharp) for n in (0, 1))
        assert ImageChops.difference(mask, other_mask).getbbox() is None
        assert _difference(ink, other_ink) > 0.2


def test_every_pattern_is_drawn_on_something() -> None:
    drawn = {product_of(9, str(number), 0).pattern for number in range(300)}
    assert drawn == set(PATTERNS)


def test_a_close_up_of_a_sandal_shows_more_than_air() -> None:
    seller = next(shop for shop in (seller_of(9, number) for number in range(90)) if shop.backdrop == "white")
    sandals = [str(number) for number in range(300) if style_of(9, str(number)).kind == "sandal"][:12]
    empty = Image.new("RGB", (32, 32), (255, 255, 255))
    for key in sandals:
        photo = take_photo(9, Subject(product_of(9, key, 0), seller, "detail"), Draws("close-up", key))
        assert _difference(_thumbnail(photo), empty) > 8


@pytest.mark.parametrize("name", BACKDROPS)
def test_a_backdrop_has_the_size_of_the_photo(name: str) -> None:
    assert backdrop(name, (200, 190, 180), 321, 427, "any").size == (321, 427)


@pytest.mark.parametrize("form", ["corner", "band", "diagonal"])
def test_a_watermark_is_seen(form: str) -> None:
    image = Image.new("RGB", (320, 400), (90, 120, 90))
    before = image.copy()
    watermark(image, form, "shop.example")
    assert ImageChops.difference(image, before).getbbox() is not None


@pytest.mark.parametrize("path", NO_PHOTOS)
def test_other_paths_have_no_photo(market: Marketplace, path: str) -> None:
    with pytest.raises(UnknownPhotoError):
        market.photo(path)


def test_an_offer_has_no_photo_beyond_its_last(market: Marketplace) -> None:
    arrival = next(number for number in range(500) if len(_paths(market, number)) < 5)
    with pytest.raises(UnknownPhotoError):
        market.photo(f"/photos/{arrival}/{len(_paths(market, arrival)) + 1}.jpg")


def test_threads_get_the_bytes_that_one_thread_gets(market: Marketplace) -> None:
    paths = [path for arrival in range(8) for path in _paths(market, arrival)]
    alone = [market.photo(path) for path in paths]
    sprite_of.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(market.photo, paths)) == alone


def test_the_server_serves_what_the_market_shows_on_one_connection(market: Marketplace) -> None:
    with PhotoServer(market) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.connect()
        socket_at_first = connection.sock
        for path in _paths(market, 0) + _paths(market, 1):
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "image/jpeg"
            assert answer.read() == market.photo(path)
        connection.request("HEAD", "/photos/0/1.jpg")
        answer = connection.getresponse()
        assert answer.read() == b""
        assert int(answer.headers["Content-Length"]) == len(market.photo("/photos/0/1.jpg"))
        assert connection.sock is socket_at_first, "the connection was kept alive"
        connection.close()


def test_the_server_answers_404_where_there_is_no_photo(market: Marketplace) -> None:
    with PhotoServer(market) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for path in ("/", "/photos/0/9.jpg", "/photos/500/1.jpg", "/photos/0/1.jpg?width=9", "/%2e%2e/etc/passwd"):
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 404
            answer.read()
        connection.close()


def test_closing_the_server_ends_connections_and_frees_the_port(market: Marketplace) -> None:
    with PhotoServer(market) as server:
        port = server.port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/photos/0/1.jpg")
        connection.getresponse().read()
    with pytest.raises((http.client.HTTPException, OSError)):
        _ask_twice(connection, "/photos/0/1.jpg")
    with PhotoServer(market, port) as again:
        assert again.base_url == f"http://127.0.0.1:{port}"


def test_a_server_that_was_never_started_closes(market: Marketplace) -> None:
    PhotoServer(market).close()


def test_the_cache_holds_no_more_than_its_limit_and_renders_again_what_left() -> None:
    rendered: list[str] = []

    def render(path: str) -> bytes:
        rendered.append(path)
        return path.encode() * 10

    cache = PhotoCache(render, limit=25)
    assert cache.get("a") == b"a" * 10
    cache.get("b")
    cache.get("a")
    cache.get("c")
    assert rendered == ["a", "b", "c"]
    cache.get("a")
    assert rendered == ["a", "b", "c"], "a was asked for more recently than b, so b left"
    cache.get("b")
    assert rendered == ["a", "b", "c", "b"]


def test_a_process_of_its_own_serves_the_same_photos(market: Marketplace) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=serve_photos, args=(3, 500, 30, 0, theirs.send), daemon=True)
    child.start()
    try:
        assert ours.poll(60), "the child did not report its address"
        address = urlsplit(ours.recv())
        connection = http.client.HTTPConnection(str(address.hostname), address.port or 0, timeout=30)
        connection.request("GET", "/photos/7/1.jpg")
        assert connection.getresponse().read() == market.photo("/photos/7/1.jpg")
        connection.close()
    finally:
        child.terminate()
        child.join(30)
    assert child.exitcode is not None
