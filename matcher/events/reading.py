"""Reading offers as feeds really send them: repairs what has one sensible meaning, refuses what has none."""

import html
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from matcher.events import offer as form
from matcher.events.offer import Offer, Price
from matcher.events.prices import read_price

#: Half a surrogate pair cannot be written again; soft hyphens, zero-width spaces and byte order marks say nothing.
_INVISIBLE = re.compile("[\ud800-\udfff\u00ad\u200b\ufeff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


class Unreadable(ValueError):
    """A record that is no event. `reason` is a short, documented name (a metric label), the message says what was expected."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Repairs(list[str]):
    """The names of the fields that were not as they should be, in reading order, each once."""

    def note(self, name: str) -> None:
        if name not in self:
            self.append(name)


def read_offer(key: bytes | None, value: bytes) -> tuple[Offer, tuple[str, ...]]:
    """Decodes one record of `offers`; returns the offer and the names of the fields that had to be repaired.

    Raises `Unreadable` with one of the reasons `not_json`, `not_an_object`, `no_offer_id`, `bad_offer_id`, `key_mismatch`.
    """
    repairs = Repairs()
    data = _json_object(value, repairs)
    offer_id = _offer_id(key, data, repairs)
    price = _price(data, repairs)
    sizes = _sizes(data.get("sizes"), repairs)
    return (
        Offer(
            offer_id=offer_id,
            seller_id=_identifier(data, "seller_id", form.MAX_ID, repairs),
            title=_text(data, "title", form.MAX_TITLE, repairs),
            brand=_text(data, "brand", form.MAX_ID, repairs),
            description=_text(data, "description", form.MAX_DESCRIPTION, repairs),
            price=price,
            sizes=sizes,
            n_sizes=_n_sizes(data.get("n_sizes"), sizes, repairs),
            image_urls=_image_urls(data, repairs),
            url=_text(data, "url", form.MAX_URL, repairs, cut=False),
            gtin=_identifier(data, "gtin", 64, repairs),
            mpn=_identifier(data, "mpn", form.MAX_ID, repairs),
        ),
        tuple(repairs),
    )


def _json_object(value: bytes, repairs: Repairs) -> Mapping[str, Any]:
    try:
        data = msgspec.json.decode(value.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as strict_error:
        # Python's own json writes NaN and Infinity, which are no JSON; feeds made with it are common.
        try:
            data = json.loads(value, parse_constant=lambda _: repairs.note("nan_literal"))
        except (ValueError, RecursionError):
            raise Unreadable("not_json", f"expected a JSON object in UTF-8: {strict_error}") from None
    if not isinstance(data, dict):
        raise Unreadable("not_an_object", f"expected a JSON object with an offer_id, got {type(data).__name__}")
    return data


def _offer_id(key: bytes | None, data: Mapping[str, Any], repairs: Repairs) -> str:
    try:
        named = key.decode() if key else None
    except UnicodeDecodeError:
        raise Unreadable("bad_offer_id", "expected the record's key to be the offer_id in UTF-8") from None
    raw = data.get("offer_id")
    if isinstance(raw, int) and not isinstance(raw, bool):
        repairs.note("offer_id")
        raw = str(raw)
    if raw is None and named:
        repairs.note("offer_id")
        raw = named
    if raw is None:
        raise Unreadable("no_offer_id", "expected an offer_id in the value or as the record's key")
    if not isinstance(raw, str) or not 1 <= len(raw) <= form.MAX_ID or not raw.isprintable():
        raise Unreadable("bad_offer_id", f"expected offer_id to be 1 to {form.MAX_ID} printable characters")
    if named is not None and named != raw:
        raise Unreadable("key_mismatch", f"expected the record's key to be its offer_id {raw!r}, got {named[:80]!r}")
    return raw


def _text(data: Mapping[str, Any], name: str, limit: int, repairs: Repairs, *, cut: bool = True) -> str | None:
    raw = data.get(name)
    if raw is None:
        return None
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        raw = str(raw)
        repairs.note(name)
    if not isinstance(raw, str):
        repairs.note(name)
        return None
    text = _clean(html.unescape(raw) if "&" in raw and name != "url" else raw)
    if len(text) > limit:
        repairs.note(name)
        text = text[:limit] if cut else ""
    return text or None


def _clean(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", _INVISIBLE.sub("", text)).split())


def _identifier(data: Mapping[str, Any], name: str, limit: int, repairs: Repairs) -> str | None:
    """Like text, but half an identifier identifies nothing: too long a one is dropped, not cut."""
    return _text(data, name, limit, repairs, cut=False)


def _price(data: Mapping[str, Any], repairs: Repairs) -> Price | None:
    raw = data.get("price")
    if raw is None or raw == "":
        return None
    price = read_price(raw, data.get("currency"))
    if price is None or not isinstance(raw, dict) or type(raw.get("amount")) not in (int, float):
        repairs.note("price")
    return price


def _sizes(raw: Any, repairs: Repairs) -> tuple[str, ...]:
    if raw is None:
        return ()
    if isinstance(raw, str):
        repairs.note("sizes")
        raw = [part.strip() for part in raw.replace("|", ",").replace(";", ",").split(",")]
    if isinstance(raw, dict):
        repairs.note("sizes")
        raw = list(raw)
    if not isinstance(raw, list):
        repairs.note("sizes")
        return ()
    plain = [_clean(str(s)) for s in raw if isinstance(s, str | int | float) and not isinstance(s, bool)]
    sizes = tuple(dict.fromkeys(s[:64] for s in plain if s))[: form.MAX_SIZES]
    if len(sizes) != len(raw):
        repairs.note("sizes")
    return sizes


def _n_sizes(raw: Any, sizes: tuple[str, ...], repairs: Repairs) -> int | None:
    if sizes:
        return len(sizes)
    if raw is None:
        return None
    count = raw
    if isinstance(raw, str) and raw.strip().isdecimal() and len(raw) <= 9:
        count = int(raw)
        repairs.note("n_sizes")
    if (
        isinstance(count, bool)
        or not isinstance(count, int | float)
        or not math.isfinite(count)
        or not 0 <= count <= 1e6
    ):
        repairs.note("n_sizes")
        return None
    return int(count)


def _image_urls(data: Mapping[str, Any], repairs: Repairs) -> tuple[str, ...]:
    raw = data.get("image_urls")
    if raw is None:
        return ()
    if isinstance(raw, str):
        repairs.note("image_urls")
        raw = [raw] if raw.startswith("data:") else raw.split("|")
    if not isinstance(raw, list):
        repairs.note("image_urls")
        return ()
    stripped = [_INVISIBLE.sub("", url).strip() for url in raw if isinstance(url, str)]
    fits = (u for u in stripped if u and len(u) <= (form.MAX_DATA_URL if u[:5].lower() == "data:" else form.MAX_URL))
    urls = tuple(dict.fromkeys(fits))[: form.MAX_IMAGES]
    if len(urls) != len(raw):
        repairs.note("image_urls")
    return urls
