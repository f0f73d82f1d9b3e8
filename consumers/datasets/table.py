"""Reading an offer table as the encoder process would see it, with the truth beside the offers."""

import sys
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from consumers.datasets.account import Account
from consumers.datasets.problems import DatasetUnusable
from matcher.events.offer import Offer
from matcher.events.reading import Unreadable, read_offer
from matcher.money import RATES
from producers.tables import BadRow, Row, Table, TableUnusable, open_table
from producers.tables.event import identifier, offer_event

#: Rows between two reports of progress.
_REPORT_EVERY = 1_000
#: Duplicate ids that an error names.
_SHOWN = 3


class ReadTable(Struct, frozen=True, kw_only=True):
    """The offers of one table in its order. `folder`: where its photos and labelled pairs are. `columns` as found."""

    name: str
    path: Path
    columns: tuple[str, ...]
    offers: list[Offer]
    products: list[str | None]
    styles: list[str | None]

    @property
    def folder(self) -> Path:
        return self.path.parent


def find_table(path: Path) -> Table:
    """The table in a file or folder. Raises `DatasetUnusable`."""
    try:
        return open_table(path)
    except TableUnusable as error:
        raise DatasetUnusable(str(error)) from None


def read_table(table: Table, account: Account, on_fraction: Callable[[float], None]) -> ReadTable:
    """Every row that can be read; the others are counted and stop nothing.

    An id must not come twice: in a stream the later row would be a new version of the offer, but a table with known
    products is a snapshot, and whichever row were dropped, the labels would no longer be what somebody checked. Raises
    `DatasetUnusable` for that, and for a table without a single offer.
    """
    folder = str(table.path.parent)
    lines: dict[str, int] = {}
    twice: list[tuple[str, int]] = []
    read = ReadTable(
        name=_name(table.path), path=table.path, columns=tuple(table.columns), offers=[], products=[], styles=[]
    )
    for number, row in enumerate(table.rows()):
        if number % _REPORT_EVERY == 0:
            on_fraction(table.fraction())
        if isinstance(row, BadRow):
            account.note_malformed(row.line, row.reason)
            continue
        try:
            offer, product, style = _offer(row, folder)
        except ValueError as error:
            account.note_malformed(row.line, str(error))
            continue
        if offer.offer_id in lines:
            twice.append((offer.offer_id, row.line))
            continue
        lines[offer.offer_id] = row.line
        _count_price(row, offer, account)
        read.offers.append(offer)
        read.products.append(product)
        read.styles.append(style)
    if twice:
        raise DatasetUnusable(_duplicates(table.path, lines, twice))
    if not read.offers:
        raise DatasetUnusable(
            f"{table.path}: expected offers, none of its {account.malformed} rows is one"
            + "".join(f"; {example}" for example in account.examples[:1])
        )
    account.offers = len(read.offers)
    account.products = len({product for product in read.products if product is not None})
    return read


def _offer(row: Row, folder: str) -> tuple[Offer, str | None, str | None]:
    """The offer with its product and style. Raises `ValueError` for what is none."""
    event = offer_event(row, folder)
    if isinstance(event, BadRow):
        raise Unreadable("bad_row", event.reason)
    offer, _ = read_offer(event.key, event.value)
    return offer, _interned(event.product_id), _interned(identifier(row.cells, "style_id"))


def _interned(text: str | None) -> str | None:
    """Products and styles come again and again: one copy of each."""
    return None if text is None else sys.intern(text)


def _count_price(row: Row, offer: Offer, account: Account) -> None:
    if offer.price is None:
        account.prices_unread += "price" in row.cells
    elif offer.price.currency not in RATES:
        account.prices_unconverted += 1


def _name(path: Path) -> str:
    return path.parent.name if path.stem == "offers" else path.stem


def _duplicates(path: Path, lines: dict[str, int], twice: list[tuple[str, int]]) -> str:
    shown = ", ".join(f"{offer_id!r} (lines {lines[offer_id]} and {line})" for offer_id, line in twice[:_SHOWN])
    more = f" and {len(twice) - _SHOWN} more" if len(twice) > _SHOWN else ""
    return f"{path}: expected every offer_id once, got again {shown}{more}"
