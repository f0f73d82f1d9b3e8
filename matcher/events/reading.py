"""Reading offers as feeds really send them: repairs what has one sensible meaning, refuses what has none."""

import html
import json
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
    """A record that is no event. `reason` is a short, documented name (a metric label); the message says what was
    expected."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Repairs(list[str]):
    """The names of the fields that were not as they should be, in reading order, each once.

    Besides fields of the Offer: `nan_literal` (NaN or Infinity somewhere), `json` (what only lenient readers accept).
    """

    def note(self, name: str) -> None:
        if name not in self:
            self.append(name)


def read_offer(key: bytes | None, value: bytes) -> tuple[Offer, tuple[str, ...]]:
    """Decodes one record of `offers`; returns the offer and the names of the fields that had to be repaired.

    Raises `Unreadable` with one of the reasons `not_json`, `not_an_object`, `no_offer_id`, `bad_offer_id` and
    `key_mismatch`.
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
        if not repairs:
            repairs.note("json")
    if not isinstance(data, dict):
        raise Unreadable("not_an_object", f"expected a JSON object with an offer_id, got {type(data).__name__}")
    return data


def read_key(key: bytes | None) -> str:
    """The offer_id in a record's key, all that names the offer of a null. Raises `no_offer_id` or `bad_offer_id`."""
    if not key:
        raise Unreadable("no_offer_id", "expected the record's key to be the offer_id")
    try:
        return _checked(key.decode())
    except UnicodeDecodeError:
        raise Unreadable("bad_offer_id", "expected the record's key to be the offer_id in UTF-8") from None


def _checked(offer_id: Any) -> str:
    if not isinstance(offer_id, str) or not 1 <= len(offer_id) <= form.MAX_ID or not offer_id.isprintable():
        raise Unreadable("bad_offer_id", f"expected offer_id to be 1 to {form.MAX_ID} printable characters")
    return offer_id


def _offer_id(key: bytes | None, data: Mapping[str, Any], repairs: Repairs) -> str:
    named = read_key(key) if key else None
    raw = data.get("offer_id")
    if isinstance(raw, int) and not isinstance(raw, bool):
        repairs.note("offer_id")
        raw = str(raw)
    if raw is None and named:
        repairs.note("offer_id")
        raw = named
    if raw is None:
        raise Unreadable("no_offer_id", "expected an offer_id in the value or as the record's key")
    offer_id = _checked(raw)
    if named is not None and named != offer_id:
        raise Unreadable("key_mismatch", f"expected the record's key to be its offer_id {offer_id!r}, got {named!r}")
    return offer_id


def _text(data: Mapping[str, Any], name: str, limit: int, repairs: Repairs, *, cut: bool = True) -> str | None:
    raw = data.get(name)
    if raw is None:
        return None
    if not isinstance(raw, str):
        repairs.note(name)
        raw = _number_as_text(raw)
        if raw is None:
            return None
    text = _clean(_unescape(raw) if name != "url" else raw)
    if len(text) > limit:
        repairs.note(name)
        text = text[:limit].rstrip() if cut else ""
    return text or None


def _number_as_text(raw: Any) -> str | None:
    """`4006381333931.0` is what table software makes of a code when the column has gaps: the digits are meant."""
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not -1e300 < raw < 1e300:
        return None
    return str(int(raw)) if isinstance(raw, float) and raw.is_integer() and abs(raw) < 2**53 else str(raw)


def _unescape(text: str) -> str:
    try:
        return html.unescape(text) if "&" in text else text
    except ValueError:  # a character reference of thousands of digits
        return text


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
    clean = isinstance(raw, dict) and type(raw.get("amount")) in (int, float) and price is not None
    if not clean or (price and price.currency != raw.get("currency")):
        repairs.note("price")
    return price


def _sizes(raw: Any, repairs: Repairs) -> tuple[str, ...]:
    if raw is None:
        return ()
    if isinstance(raw, str):
        repairs.note("sizes")
        # `38,5;39` names two sizes: a comma parts them only where nothing else does.
        raw = raw.replace(";", "|").split("|") if "|" in raw or ";" in raw else raw.split(",")
    if isinstance(raw, dict):
        repairs.note("sizes")
        raw = list(raw)
    if not isinstance(raw, list):
        repairs.note("sizes")
        return ()
    texts = [s if isinstance(s, str) else _number_as_text(s) for s in raw]
    plain = [_clean(text)[: form.MAX_SIZE].rstrip() for text in texts if text is not None]
    sizes = tuple(dict.fromkeys(s for s in plain if s))[: form.MAX_SIZES]
    if list(sizes) != [_clean(s) if isinstance(s, str) else None for s in raw]:
        repairs.note("sizes")
    return sizes


def _n_sizes(raw: Any, sizes: tuple[str, ...], repairs: Repairs) -> int | None:
    if raw is None:
        return len(sizes) or None
    count: float | None = raw if isinstance(raw, int | float) and not isinstance(raw, bool) else None
    if isinstance(raw, str) and raw.strip().isdecimal() and len(raw) <= 9:
        count = int(raw)
    if count is not None and not (0 <= count <= form.MAX_N_SIZES and count == int(count)):
        count = None
    if sizes:
        count = len(sizes)
    if count is None or count != raw:
        repairs.note("n_sizes")
    return None if count is None else int(count)


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
