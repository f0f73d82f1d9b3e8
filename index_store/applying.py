"""A stretch of the logs folded and written, within the transaction of a state; contents go out before it commits."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from index_store import tables
from index_store.batch import Outcome, fold_batch
from index_store.contents import Content, ContentsFile
from index_store.names import Names
from index_store.positions import move_positions
from index_store.rows import Applied, Changes

#: Stale rows are left where they are up to so many, and up to this share of the live ones: the more there are, the
#: closer together those lie that are then deleted, the lowest first.
_STALE: Final = 4_096
_STALE_SHARE: Final = 1 / 8
_DROPPED_AT_ONCE: Final = 512  # or twice as many as became stale


@dataclass(frozen=True, slots=True)
class Written:
    """What was written, to be learned once it is committed. sellers, blocks: new names with their numbers."""

    outcome: Outcome
    attached: tuple[tables.Upserted, ...]
    sellers: Mapping[str, int]
    blocks: Mapping[str, int]

    def applied(self, dim: int) -> Applied:
        """What an index is told, in vectors of `dim` dimensions."""
        vectors = np.zeros((len(self.attached), dim), dtype=np.float32)
        for index, one in enumerate(self.attached):
            vectors[index] = one.row.vector
        return Applied(
            keys=np.array([one.key for one in self.attached], dtype=np.int64),
            vectors=vectors,
            sellers=np.array([one.seller for one in self.attached], dtype=np.int32),
            blocks=np.array([one.block for one in self.attached], dtype=np.int32),
            new_blocks=self.blocks,
            removed=np.array(self.outcome.removed, dtype=np.int64),
            ignored_decisions=self.outcome.ignored_decisions,
            ignored_features=self.outcome.ignored_features,
            held_features=len(self.outcome.held),
        )


def write_changes(
    connection: sqlite3.Connection,
    path: Path,
    contents: ContentsFile,
    changes: Changes,
    *,
    sellers: Names,
    blocks: Names,
) -> Written:
    """Folds and writes. `path`: of the state, for errors. Raises `PositionMovedBack`, `VersionsNotComparable`."""
    ids = dict.fromkeys([row.offer_id for row in changes.decisions] + [row.offer_id for row in changes.features])
    move_positions(connection, path, changes.positions, changes.times)
    totals = tables.load_totals(connection)
    offers = tables.load_offers(connection, ids, with_pending=totals.pending > 0)
    outcome = fold_batch(offers, changes, totals)
    new_sellers = sellers.add(connection, (row.seller_id for *_, row in outcome.attached))
    new_blocks = blocks.add(connection, [*changes.blocks, *(row.block for row in changes.features)])
    attached = tuple(
        tables.Upserted(
            key, place, row, sellers.number(row.seller_id, new_sellers), blocks.number(row.block, new_blocks)
        )
        for key, place, row in outcome.attached
    )
    dropped = _stale_enough(connection, totals, len(outcome.stale))
    totals.stale -= len(dropped)
    # First, and on the disk when it returns: should what follows fail, these are places of no offer.
    contents.write(
        [(one.place, Content(one.row.seller_id, one.row.payload, one.row.image, one.row.text)) for one in attached],
        dropped,
    )
    tables.write_ledger(connection, outcome.new, outcome.known)
    tables.write_vectors(connection, attached, outcome.stale, dropped)
    tables.write_pending(connection, outcome.held, outcome.unheld)
    totals.products += tables.write_products(connection, outcome.founded, outcome.joined)
    tables.save_totals(connection, totals)
    if changes.stream_time is not None:
        tables.save_stream_time(connection, changes.stream_time)
    return Written(outcome, attached, new_sellers, new_blocks)


def _stale_enough(connection: sqlite3.Connection, totals: tables.Totals, more: int) -> list[int]:
    # `totals` counts those that become stale now, which are not in the table yet: they are of no interest either.
    if totals.stale <= max(_STALE, totals.live * _STALE_SHARE):
        return []
    return tables.load_stale(connection, max(_DROPPED_AT_ONCE, 2 * more))
