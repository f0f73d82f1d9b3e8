"""From a table's row to the event on `offers`. Values go on as the table has them: repairing is the encoder's job."""

import math
import os
import re
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from matcher.events.offer import MAX_ID
from producers.tables.rows import BadRow, Cells, Row, TableRow

_URL = re.compile(r"(?:https?|data|file):|[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class _Amount(Struct, frozen=True):
    amount: Any
    currency: Any


class _Event(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An offer before any repair, with the names of `matcher.events.Offer`."""

    offer_id: str
    seller_id: Any = None
    title: Any = None
    brand: Any = None
    description: Any = None
    price: Any = None
    sizes: Any = None
    n_sizes: Any = None
    image_urls: tuple[Any, ...] = ()
    url: Any = None
    gtin: Any = None
    mpn: Any = None


_AS_THEY_ARE = ("seller_id", "title", "brand", "description", "sizes", "n_sizes", "url", "gtin", "mpn")
_encoder = msgspec.json.Encoder()


def offer_event(row: Row, folder: str) -> TableRow | BadRow:
    """The event of one row. `folder` (absolute) is where relative photo paths start."""
    try:
        offer_id = identifier(row.cells, "offer_id")
        product_id = identifier(row.cells, "product_id")
    except ValueError as error:
        return BadRow(row.line, str(error))
    if offer_id is None:
        return BadRow(row.line, "no offer_id")
    listed = (*_list(row.cells.get("image_urls")), *_list(row.cells.get("images")))
    photos = tuple(photo_url(photo, folder) for photo in listed)
    values = {name: row.cells[name] for name in _AS_THEY_ARE if name in row.cells}
    event = _Event(offer_id=offer_id, price=_price(row.cells), image_urls=photos, **values)
    try:
        value = _encoder.encode(event)
        key = offer_id.encode()
    except (UnicodeEncodeError, OverflowError, RecursionError, TypeError) as error:
        return BadRow(row.line, f"no event can be made of it: {str(error)[:200]}")
    files = sum(isinstance(photo, str) and photo[:5].lower() == "file:" for photo in photos)
    return TableRow(line=row.line, key=key, value=value, offer_id=offer_id, product_id=product_id, photo_files=files)


def identifier(cells: Cells, name: str) -> str | None:
    """The id in a cell as text, None where it is missing. Raises `ValueError` for what cannot be one."""
    raw = cells.get(name)
    if raw is None or (isinstance(raw, float) and math.isnan(raw)):
        return None
    if isinstance(raw, int) and not isinstance(raw, bool):
        raw = str(raw)
    if isinstance(raw, str) and not raw.strip():
        return None
    if not isinstance(raw, str) or len(raw) > MAX_ID or not raw.isprintable():
        raise ValueError(f"expected {name} to be 1 to {MAX_ID} printable characters, got {str(raw)[:40]!r}")
    return raw


def photo_url(raw: Any, folder: str) -> Any:
    """An absolute `file:` URL (RFC 8089) for a path, relative to `folder`; URLs stay as they are."""
    if not isinstance(raw, str) or not raw or _URL.match(raw) or raw.startswith("//"):
        return raw
    try:
        return "file://" + quote(os.path.normpath(os.path.join(folder, raw)))
    except UnicodeEncodeError:
        return raw


def _list(raw: Any) -> list[Any]:
    if isinstance(raw, str):
        parts = [raw] if raw[:5].lower() == "data:" else raw.split("|")
        return [part.strip() for part in parts if part.strip()]
    return list(raw) if isinstance(raw, list | tuple) else [] if raw is None else [raw]


def _price(cells: Cells) -> Any:
    """With its currency where there is one; an object that names its own stays as it is."""
    price, currency = cells.get("price"), cells.get("currency")
    if price is None or currency is None:
        return price
    if isinstance(price, dict):
        return price if price.get("currency") else {**price, "currency": currency}
    return _Amount(price, currency)
