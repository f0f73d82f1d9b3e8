"""What reading an offer table gives: rows, rows that are none, and the error for a file that is no table at all."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

#: The columns that become an event, in the event's order; `currency` joins `price`, `images` joins `image_urls`.
OFFER_COLUMNS = (
    "offer_id", "seller_id", "title", "brand", "description", "price", "currency", "sizes", "n_sizes", "images",
    "image_urls", "url", "gtin", "mpn",
)  # fmt: skip
#: Every column that is read: the truth travels beside the event, never in it. All others are passed over.
READ_COLUMNS = frozenset((*OFFER_COLUMNS, "product_id", "style_id"))

Cells = Mapping[str, Any]
"""The values of one row by column, those of `READ_COLUMNS` only; a missing value has no entry."""


class TableUnusable(ValueError):
    """A file or folder that is no offer table; the message says what was found and what was expected."""


class Row(Struct, frozen=True):
    """One row as the table has it. `line` counts from 1: lines of the file where it begins, in Parquet rows."""

    line: int
    cells: Cells


class BadRow(Struct, frozen=True):
    """A row that cannot become an offer, and why. It stops nothing."""

    line: int
    reason: str


class TableRow(Struct, frozen=True, kw_only=True):
    """One offer, ready for the topic `offers`: `value` is the event's JSON, `key` its offer_id.

    `product_id` is the truth where the table has it; `photo_files` says how many photos are `file:` URLs.
    """

    line: int
    key: bytes
    value: bytes
    offer_id: str
    product_id: str | None
    photo_files: int = 0


class Reader(Protocol):
    """One format. Opening has checked that the file can be this format; reading goes on over rows that are not."""

    columns: Sequence[str]

    def __iter__(self) -> Iterator[Row | BadRow]: ...

    def fraction(self) -> float:
        """How much of the file the last iteration has read, from 0 to 1."""
        ...


def check_columns(path: Path, columns: Collection[str]) -> None:
    """Raises `TableUnusable` unless there is an `offer_id` column, and one only of each name."""
    names = list(columns)
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise TableUnusable(f"{path}: expected each column once, the header names {', '.join(twice)} more than once")
    if "offer_id" not in names:
        shown = ", ".join(repr(name)[:60] for name in names[:20]) or "none"
        others = ", ".join(OFFER_COLUMNS[1:])
        raise TableUnusable(f"{path}: expected a column offer_id (and any of {others}); found {shown}")
