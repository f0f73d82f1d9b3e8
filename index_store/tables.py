"""The SQL of a state file: what a batch reads before it is folded, and what it writes afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from index_store.fold import OfferFold
from index_store.rows import FeatureRow, LedgerRow, OfferRow, Version
from index_store.sql import select_in
from index_store.stream_time import StreamTime

VECTOR_DTYPE: Final = np.dtype("<f2")
_TOTALS: Final = ("next_key", "offers", "live", "gone", "products", "pending", "next_place", "stale")


@dataclass(slots=True)
class Totals:
    """The row of running counts, the key that the next new offer gets, and the place of the next version."""

    next_key: int
    offers: int
    live: int
    gone: int
    products: int
    pending: int
    next_place: int
    stale: int


class Upserted(NamedTuple):
    """Features to be found from now on by this key, stored at a place, with the numbers of seller and block."""

    key: int
    place: int
    row: FeatureRow
    seller: int
    block: int


def pack(vector: npt.NDArray[np.float32]) -> bytes:
    """A vector as the file holds it."""
    return vector.astype(VECTOR_DTYPE).tobytes()


def unpack(vector: bytes) -> npt.NDArray[np.float32]:
    """f32[dim] of a stored vector."""
    return np.frombuffer(vector, VECTOR_DTYPE).astype(np.float32)


def load_totals(connection: sqlite3.Connection) -> Totals:
    """The running counts."""
    return Totals(*connection.execute(f"SELECT {', '.join(_TOTALS)} FROM totals").fetchone())


def save_totals(connection: sqlite3.Connection, totals: Totals) -> None:
    """Replace the running counts."""
    columns = ", ".join(f"{name} = ?" for name in _TOTALS)
    connection.execute(f"UPDATE totals SET {columns}", [getattr(totals, name) for name in _TOTALS])


def load_stream_time(connection: sqlite3.Connection) -> StreamTime:
    """As it was after the last record that was applied."""
    return StreamTime(*connection.execute("SELECT newest, passed FROM stream_time").fetchone())


def save_stream_time(connection: sqlite3.Connection, time: StreamTime) -> None:
    """Replace it."""
    connection.execute("UPDATE stream_time SET newest = ?, passed = ?", (time.newest, time.passed))


def load_seen_between(
    connection: sqlite3.Connection, first: int, last: int, most: int
) -> list[tuple[str, Version, int]]:
    """Live offers, with their versions, that were seen last at this stream time, longest ago first."""
    rows = connection.execute(
        "SELECT offer_id, version_partition, version_offset, seen_at FROM vectors CROSS JOIN offers USING (key)"
        " WHERE seen_at BETWEEN ? AND ? AND offers.place = vectors.place ORDER BY seen_at, vectors.place LIMIT ?",
        (first, last, most),
    )
    return [(offer_id, Version(partition, offset), seen_at) for offer_id, partition, offset, seen_at in rows]


def load_offers(connection: sqlite3.Connection, ids: Iterable[str], with_pending: bool) -> dict[str, OfferFold]:
    """What is known of these offers; of an unknown one, an empty fold."""
    offers = {offer_id: OfferFold(offer_id) for offer_id in ids}
    names = list(offers)
    for offer_id, key, partition, offset, product_id, outcome, updated_at, place in select_in(
        connection,
        "SELECT offer_id, key, version_partition, version_offset, product_id, outcome, updated_at, place"
        " FROM offers WHERE offer_id IN {}",
        names,
    ):
        version, indexed = Version(partition, offset), place is not None
        offers[offer_id] = OfferFold(offer_id, key, version, product_id, outcome, updated_at, place, indexed)
    if with_pending:
        for offer_id, partition, offset, seller_id, payload, vector, image, text, seen_at, block in select_in(
            connection,
            "SELECT offer_id, version_partition, version_offset, seller_id, payload, vector, image, text, seen_at,"
            " block FROM pending WHERE offer_id IN {}",
            names,
        ):
            version = Version(partition, offset)
            row = FeatureRow(offer_id, version, seller_id, payload, unpack(vector), image, text, seen_at, block)
            offers[offer_id].pending[version] = row
    return offers


def load_ledger(connection: sqlite3.Connection, offer_ids: Sequence[str]) -> dict[str, LedgerRow]:
    """The last decisions on these offers; an offer that was never decided is left out."""
    rows = select_in(
        connection,
        "SELECT offer_id, key, version_partition, version_offset, product_id, outcome FROM offers WHERE offer_id IN {}",
        offer_ids,
    )
    return {
        offer_id: LedgerRow(key, Version(partition, offset), product_id, outcome)
        for offer_id, key, partition, offset, product_id, outcome in rows
    }


def load_rows(connection: sqlite3.Connection, keys: Sequence[int]) -> dict[int, OfferRow]:
    """Which offers these keys stand for; an unknown key is left out."""
    rows = select_in(
        connection,
        "SELECT key, offer_id, product_id, version_partition, version_offset FROM offers WHERE key IN {}",
        keys,
    )
    return {
        key: OfferRow(offer_id, product_id, Version(partition, offset))
        for key, offer_id, product_id, partition, offset in rows
    }


def load_places(connection: sqlite3.Connection, keys: Sequence[int]) -> dict[int, int]:
    """Where the live offers with these keys are stored; others are left out."""
    return dict(select_in(connection, "SELECT key, place FROM offers WHERE place IS NOT NULL AND key IN {}", keys))


def load_stale(connection: sqlite3.Connection, most: int) -> list[int]:
    """The lowest places that no offer names any more."""
    rows = connection.execute("SELECT place FROM stale ORDER BY place LIMIT ?", (most,))
    return [place for (place,) in rows]


def write_ledger(connection: sqlite3.Connection, new: Iterable[OfferFold], known: Iterable[OfferFold]) -> None:
    """Insert and update rows of the ledger; every fold has a key and a version."""
    connection.executemany(
        "INSERT INTO offers (version_partition, version_offset, product_id, outcome, updated_at, place, offer_id, key)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        ((*_ledger(offer), offer.offer_id, offer.key) for offer in new),
    )
    connection.executemany(
        "UPDATE offers SET version_partition = ?, version_offset = ?, product_id = ?, outcome = ?, updated_at = ?,"
        " place = ? WHERE key = ?",
        ((*_ledger(offer), offer.key) for offer in known),
    )


def _ledger(offer: OfferFold) -> tuple[object, ...]:
    assert offer.version is not None
    return (*offer.version, offer.product_id, offer.outcome, offer.updated_at, offer.place)


def write_vectors(
    connection: sqlite3.Connection, upserted: Sequence[Upserted], stale: Sequence[int], dropped: Sequence[int]
) -> None:
    """Add vectors at their places, note those that are `stale` from now on, and drop some that were."""
    connection.executemany("INSERT INTO stale VALUES (?)", ((place,) for place in stale))
    for table in ("vectors", "stale"):
        connection.executemany(f"DELETE FROM {table} WHERE place = ?", ((place,) for place in dropped))
    connection.executemany(
        "INSERT INTO vectors (place, key, seller_code, seen_at, block, vector) VALUES (?, ?, ?, ?, ?, ?)",
        ((one.place, one.key, one.seller, one.row.seen_at, one.block, pack(one.row.vector)) for one in upserted),
    )


def write_pending(
    connection: sqlite3.Connection, added: Iterable[FeatureRow], dropped: Iterable[tuple[str, Version]]
) -> None:
    """Hold feature records, and drop those of (offer, version)."""
    connection.executemany(
        "DELETE FROM pending WHERE offer_id = ? AND version_partition = ? AND version_offset = ?",
        ((offer_id, *version) for offer_id, version in dropped),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO pending"
        " (offer_id, version_partition, version_offset, seller_id, payload, vector, image, text, seen_at, block)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                row.offer_id,
                *row.version,
                row.seller_id,
                row.payload,
                pack(row.vector),
                row.image,
                row.text,
                row.seen_at,
                row.block,
            )
            for row in added
        ),
    )


def write_products(connection: sqlite3.Connection, founded: Mapping[str, Version], joined: Mapping[str, int]) -> int:
    """Add `joined` members (negative: they left) to products, which keep the version they were first
    `founded` with. Returns the change in the number of products that have members."""
    names = list({**founded, **joined})
    before = dict(select_in(connection, "SELECT product_id, members FROM products WHERE product_id IN {}", names))
    connection.executemany(
        "INSERT INTO products VALUES (?, ?, ?, ?)",
        ((name, *founded[name], joined.get(name, 0)) for name in names if name not in before),
    )
    connection.executemany(
        "UPDATE products SET members = members + ? WHERE product_id = ?",
        ((joined[name], name) for name in names if name in before and joined.get(name, 0)),
    )
    return sum((before.get(name, 0) + joined.get(name, 0) > 0) - (before.get(name, 0) > 0) for name in names)
