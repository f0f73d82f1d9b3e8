"""Broken events on `offers`, and what the documentation says becomes of each."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.pipeline.harness import Event
from tests.pipeline.photo_host import jpeg, png_bomb


@dataclass(frozen=True)
class Dead:
    """A dead letter."""

    reason: str
    stage: str = "encoder"
    cut: bool = False


@dataclass(frozen=True)
class Decided:
    """Repaired where needed, and decided; photos that could not be had are named."""

    repairs: tuple[str, ...] = ()
    photo_failures: tuple[str, ...] = ()
    image_count: int = 0


@dataclass(frozen=True)
class Gone:
    """A deletion like any other."""


@dataclass(frozen=True)
class Case:
    """`make` gets an offer_id that nobody else has, and the photo host's address."""

    name: str
    make: Callable[[str, str], Event]
    ends: Dead | Decided | Gone


def raw(value: bytes) -> Callable[[str, str], Event]:
    return lambda name, _: Event(name.encode(), value)


def body(**fields: Any) -> Callable[[str, str], Event]:
    """An offer with a title, unless `fields` say otherwise; Python's json writes NaN and half surrogates too."""

    def make(name: str, _: str) -> Event:
        return Event(name.encode(), json.dumps({"offer_id": name, "title": f"good {name}", **fields}).encode())

    return make


def keyed(key: bytes | None, value: bytes | None) -> Callable[[str, str], Event]:
    return lambda name, _: Event(key if key is not None else name.encode(), value)


def text(template: str) -> Callable[[str, str], Event]:
    """JSON written by hand; `ID` stands for the offer's id."""
    return lambda name, _: Event(name.encode(), template.replace("ID", name).encode())


def photos(*urls: str, title: str | None = "with a photo") -> Callable[[str, str], Event]:
    """`HOST` stands for the photo host."""

    def make(name: str, host: str) -> Event:
        found = [url.replace("HOST", host) for url in urls]
        value = {"offer_id": name, "image_urls": found} | ({"title": f"{title} {name}"} if title else {})
        return Event(name.encode(), json.dumps(value).encode())

    return make


def data_url(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def headed(*headers: tuple[str, bytes]) -> Callable[[str, str], Event]:
    return lambda name, _: Event(
        name.encode(), json.dumps({"offer_id": name, "title": f"headed {name}"}).encode(), headers
    )


def repaired(*fields: str) -> Decided:
    return Decided(repairs=fields)


def without(*reasons: str) -> Decided:
    """Decided by its text, since its photos could not be had, for these reasons."""
    return Decided(photo_failures=reasons)


def encoded(encoding: str) -> Callable[[str, str], Event]:
    return lambda name, _: Event(name.encode(), json.dumps({"offer_id": name, "title": "encoded"}).encode(encoding))


WRONG = ("seller_id", "brand", "description", "price", "sizes", "n_sizes", "image_urls", "url", "gtin", "mpn")

TEXTS = [
    Case("not JSON", raw(b"this is not JSON"), Dead("not_json")),
    Case("an empty value", raw(b""), Dead("not_json")),
    Case("only white space", raw(b" \n\t "), Dead("not_json")),
    Case("JSON that ends too early", text('{"offer_id": "ID", "title": "shi'), Dead("not_json")),
    Case("two JSON objects", text('{"offer_id": "ID"}{"offer_id": "ID"}'), Dead("not_json")),
    Case("an array", raw(b"[1, 2, 3]"), Dead("not_an_object")),
    Case("a number", raw(b"42"), Dead("not_an_object")),
    Case("a string", raw(b'"offer"'), Dead("not_an_object")),
    Case("the text null", raw(b"null"), Dead("not_an_object")),
    Case("true", raw(b"true"), Dead("not_an_object")),
    Case("invalid UTF-8", lambda n, _: Event(n.encode(), b'{"title": "\xff\xfe"}'), Dead("not_json")),
    Case("a raw NUL byte in a string", text('{"offer_id": "ID", "title": "a\0b"}'), Dead("not_json")),
    Case("900 kB of nested arrays", raw(b"[" * 450_000 + b"]" * 450_000), Dead("not_json")),
    Case("900 kB of nested objects", raw(b'{"a":' * 150_000 + b"1" + b"}" * 150_000), Dead("not_json")),
    Case("8 MB of zeros, packed small", raw(bytes(8_000_000)), Dead("not_json", cut=True)),
    Case("MessagePack", raw(b"\x82\xa8offer_id\xa1x\xa5title\xa1y"), Dead("not_json")),
    Case("an object without fields, no key", keyed(b"", b"{}"), Dead("no_offer_id")),
    Case("a key that is another offer's", body(offer_id="somebody-else"), Dead("key_mismatch")),
    Case("a key that is no UTF-8", keyed(b"\xff\xfe", b'{"offer_id": "x", "title": "t"}'), Dead("bad_offer_id")),
    Case("an id of 300 characters", keyed(b"i" * 300, b'{"title": "t"}'), Dead("bad_offer_id")),
    Case("an id with a line break", keyed(b"a\nb", b'{"title": "t"}'), Dead("bad_offer_id")),
    Case("an id that is an object", body(offer_id={"a": 1}), Dead("bad_offer_id")),
    Case("an id that is half a surrogate pair", body(offer_id="\ud800"), Dead("bad_offer_id")),
    Case("an empty id", body(offer_id=""), Dead("bad_offer_id")),
    Case("a deletion whose key is no UTF-8", keyed(b"\xff\xfe", None), Dead("bad_offer_id")),
    Case("a deletion with an empty key", keyed(b"", None), Dead("no_offer_id")),
    Case("neither title nor photo", body(title=None), Dead("no_content")),
    Case("a title of white space", body(title=" \u200b\u00a0\t"), Dead("no_content")),
    Case("every field of a wrong type", body(title=[1], **{w: {"a": [True]} for w in WRONG}), Dead("no_content")),
    Case("a deletion", lambda n, _: Event(n.encode(), None), Gone()),
    Case("no id in the value", body(offer_id=None), repaired("offer_id")),
    Case("NaN as a price", body(price=float("nan")), repaired("nan_literal")),
    Case("NaN in a price", body(price={"amount": float("nan")}), repaired("nan_literal", "price")),
    Case("an infinite price", body(price=float("-inf")), repaired("nan_literal")),
    Case("a negative price", body(price={"amount": -5, "currency": "EUR"}), repaired("price")),
    Case("a price of 400 digits", text(f'{{"offer_id": "ID", "title": "x ID", "price": {"9" * 400}}}'), repaired("price")),
    Case("a price on request", body(price="call us"), repaired("price")),
    Case("a title of a million characters", body(title="t" * 1_000_000), repaired("title")),
    Case("a title that is a number", body(title=4711), repaired("title")),
    Case("NUL characters in the title", body(title="a\0\0b"), Decided()),
    Case("half a surrogate pair in the title", body(title="shirt \ud800"), repaired("json")),
    Case("JSON in UTF-16", encoded("utf-16"), repaired("json")),
    Case("a byte order mark", encoded("utf-8-sig"), Decided()),
    Case("the same field twice", text('{"offer_id": "ID", "title": "one", "title": "two"}'), Decided()),
    Case("an unknown field, deeply nested", body(extra=json.loads("[" * 200 + "]" * 200)), Decided()),
    Case("wrong types beside the title", body(**{w: {"a": [True]} for w in WRONG}), Decided((
        "price", "sizes", "seller_id", "brand", "description", "n_sizes", "image_urls", "url", "gtin", "mpn"))),
    Case("a negative number of sizes", body(n_sizes=-3), repaired("n_sizes")),
    Case("a brand of 10,000 characters", body(brand="b" * 10_000), repaired("brand")),
    Case("30,000 photos", body(image_urls=[f"ftp://x/{n}" for n in range(30_000)]),
         Decided(("image_urls",), ("unsupported_scheme",) * 8)),
    Case("headers that say nothing true",
         headed(("ce_time", b"yesterday"), ("traceparent", b"\xff"), ("ce_offerversion", b"0-9")), Decided()),
    Case("a time in the year 9999", headed(("ce_time", b"9999-12-31T23:59:59.999Z")), Decided()),
    Case("a dead letter's headers, made up",
         headed(("dl_stage", b"x"), ("dl_attempt", b"-1"), ("dl_offset", b"NaN")), Decided()),
    Case("200 kB of headers", headed(*((f"h{n}", bytes(1_000)) for n in range(200))), Decided()),
]  # fmt: skip

PHOTOS = [
    Case("an image bomb", photos("HOST/bomb.png"), without("too_many_pixels")),
    Case("an image bomb in a data: URL", photos(data_url(png_bomb(40_000, 40_000))), without("too_many_pixels")),
    Case("a photo that says it is two billion pixels square",
         photos(data_url(png_bomb(2**31 - 1, 2**31 - 1, rows=0))), without("too_many_pixels")),
    Case("a truncated JPEG", photos("HOST/truncated.jpg"), without("truncated")),
    Case("a page in place of a photo", photos("HOST/page.jpg"), without("not_an_image")),
    Case("noise in place of a photo", photos("HOST/noise.jpg"), without("not_an_image")),
    Case("an SVG", photos("HOST/drawing.svg"), without("not_an_image")),
    Case("a photo of no bytes", photos("HOST/empty.jpg"), without("not_an_image")),
    Case("a photo that is not there", photos("HOST/nowhere.jpg"), without("not_found")),
    Case("a photo that is refused", photos("HOST/forbidden.jpg"), without("refused")),
    Case("a server error", photos("HOST/broken.jpg"), without("server_error")),
    Case("a connection that is refused", photos("http://127.0.0.1:1/a.jpg"), without("network")),
    Case("a connection that breaks off", photos("HOST/cut-connection.jpg"), without("network")),
    Case("a host that cannot be", photos("http://[::1/a.jpg", "http:///a.jpg"), without("bad_url", "bad_url")),
    Case("redirects in a circle", photos("HOST/circle.jpg"), without("too_many_redirects")),
    Case("a redirect to a file", photos("HOST/to-a-file.jpg"), without("unsupported_scheme")),
    Case("a server that never answers", photos("HOST/gated.jpg"), without("timeout")),
    Case("a server that drips", photos("HOST/dripping.jpg"), without("timeout")),
    Case("a photo without an end", photos("HOST/endless.jpg"), without("too_large")),
    Case("a gzip bomb", photos("HOST/gzip-bomb.jpg"), without("too_large")),
    Case("broken base64", photos("data:image/jpeg;base64,%%%%"), without("bad_url")),
    Case("a data: URL without data", photos("data:image/jpeg"), without("bad_url")),
    Case("a file outside the allowed folder", photos("file:///etc/passwd"), without("forbidden_path")),
    Case("a file reached through ..", photos("file:../../etc/passwd"), without("forbidden_path")),
    Case("an unsupported scheme", photos("ftp://127.0.0.1/a.jpg"), without("unsupported_scheme")),
    Case("no URL at all", photos("a.jpg"), without("bad_url")),
    Case("one good photo of three", photos("HOST/nowhere.jpg", "HOST/good.jpg", "HOST/empty.jpg"),
         Decided(photo_failures=("not_found", "not_an_image"), image_count=1)),
    Case("photos alone, none of which can be had",
         photos("HOST/nowhere.jpg", "ftp://x/y", title=None), Dead("no_content")),
    Case("a photo alone", photos(data_url(jpeg(), "image/jpeg"), title=None), Decided(image_count=1)),
]  # fmt: skip
