"""The state of a matcher: one SQLite file per group and partition, a fold over `offer-features` and `matches`.

It holds nothing that the logs do not, so it can always be deleted and rebuilt; it is there to make a start
quick. One process owns it; within that process its methods may be called from several threads.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np

from index_store import tables
from index_store.audit import audit
from index_store.batch import fold_batch
from index_store.checking import check_changes
from index_store.errors import PositionMovedBack, StateUnusable, how_to_delete, sqlite_faults
from index_store.lock import FileLock
from index_store.names import Names
from index_store.opening import open_state_file
from index_store.rows import (
    Applied,
    Changes,
    Counts,
    Identity,
    LedgerRow,
    OfferRow,
    StoredContent,
    StoredOffer,
    Version,
)
from index_store.store import NO_SELLER, HalfRows, Keys, Rows, SellerCodes, check_dim
from index_store.stream_time import StreamTime


class State:
    """An open state. Every method may raise `StateUnusable` (damaged) and `StateDiskFault` (disk full, …)."""

    def __init__(self, path: Path, identity: Identity) -> None:
        """Open the state at `path`, or create it there (with its folder).

        Raises `StateLocked`, `StateForeign`, `StateTooNew`, `StateMismatch`, `StateUnusable`,
        `StateDiskFault`; `ValueError` for a dimension below 1.
        """
        check_dim(identity.dim)
        self._path = path
        self._identity = identity
        self._mutex = threading.RLock()
        self._busy = 0.0
        self._depth = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path)
        try:
            self._connection = open_state_file(path, identity)
        except BaseException:
            self._lock.release()
            raise
        try:
            with sqlite_faults(path):
                self._sellers, self._blocks = Names(self._connection, "sellers"), Names(self._connection, "blocks")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file and let other processes have it. Closing twice is allowed."""
        with self._mutex:
            self._connection.close()
            self._lock.release()

    def discard(self) -> None:
        """Close the file and delete it; whoever opens it next has an empty one."""
        with self._mutex:
            self._connection.close()
            # Without its log a file is an older state, and whole; a log without its file would be nothing.
            for suffix in ("-wal", "-shm", ""):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._lock.release()

    def __enter__(self) -> State:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def busy_seconds(self) -> float:
        """Seconds spent reading and writing the file, and making values of what was read, since it was opened."""
        return self._busy

    @property
    def identity(self) -> Identity:
        """What this state is built for."""
        return self._identity

    def apply(self, changes: Changes) -> Applied:
        """Apply a stretch of the logs in one transaction: all of it, or on any error nothing.

        Raises `PositionMovedBack`, `VersionsNotComparable`; `ValueError` for a vector that is not f32[dim],
        not finite or not rounded to fp16, for raw features and blocks that the state does not keep, and for a topic
        that is not one of the identity's.
        """
        check_changes(changes, self._identity)
        ids = dict.fromkeys([row.offer_id for row in changes.decisions] + [row.offer_id for row in changes.features])
        with self._mutex:
            with self._transaction() as connection:
                self._move_positions(changes.positions, changes.times)
                totals = tables.load_totals(connection)
                offers = tables.load_offers(connection, ids, with_pending=totals.pending > 0)
                outcome = fold_batch(offers, changes, totals)
                sellers = self._sellers.add(connection, (row.seller_id for _, row in outcome.attached))
                blocks = self._blocks.add(connection, [*changes.blocks, *(row.block for row in changes.features)])
                attached = [
                    tables.Upserted(
                        key, row, self._sellers.number(row.seller_id, sellers), self._blocks.number(row.block, blocks)
                    )
                    for key, row in outcome.attached
                ]
                tables.write_ledger(connection, outcome.new, outcome.known)
                tables.write_vectors(connection, attached, outcome.removed, self._identity.raw_features)
                tables.write_pending(connection, outcome.held, outcome.unheld)
                totals.products += tables.write_products(connection, outcome.founded, outcome.joined)
                tables.save_totals(connection, totals)
                if changes.stream_time is not None:
                    tables.save_stream_time(connection, changes.stream_time)
            self._sellers.learn(sellers)
            self._blocks.learn(blocks)
        vectors = np.zeros((len(attached), self._identity.dim), dtype=np.float32)
        for index, one in enumerate(attached):
            vectors[index] = one.row.vector
        return Applied(
            keys=np.array([one.key for one in attached], dtype=np.int64),
            vectors=vectors,
            sellers=np.array([one.seller for one in attached], dtype=np.int32),
            blocks=np.array([one.block for one in attached], dtype=np.int32),
            new_blocks=tuple(blocks),
            removed=np.array(outcome.removed, dtype=np.int64),
            ignored_decisions=outcome.ignored_decisions,
            ignored_features=outcome.ignored_features,
            held_features=len(outcome.held),
        )

    def ledger(self, offer_ids: Sequence[str]) -> dict[str, LedgerRow]:
        """The last decisions on these offers; an offer that was never decided is left out."""
        with self._reading() as connection:
            return tables.load_ledger(connection, offer_ids)

    def by_keys(self, keys: Keys | Sequence[int]) -> dict[int, StoredOffer]:
        """The offers with these keys; an unknown key is left out."""
        with self._reading() as connection:
            return tables.load_by_keys(connection, [int(key) for key in keys])

    def rows(self, keys: Keys | Sequence[int]) -> dict[int, OfferRow]:
        """Which offers these keys stand for; an unknown key is left out. Reads the ledger alone."""
        with self._reading() as connection:
            return tables.load_rows(connection, [int(key) for key in keys])

    def contents(self, keys: Keys | Sequence[int]) -> dict[int, StoredContent]:
        """What the live offers with these keys say; others are left out."""
        with self._reading() as connection:
            return tables.load_contents(connection, [int(key) for key in keys])

    def positions(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> offset of the first record that is not applied yet."""
        with self._reading() as connection:
            rows = connection.execute("SELECT topic, partition, next_offset FROM positions").fetchall()
        return {(topic, partition): next_offset for topic, partition, next_offset in rows}

    def times(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> a time, Kafka's, in milliseconds since 1970: what is not applied yet was written later.

        0 where none is known.
        """
        with self._reading() as connection:
            rows = connection.execute("SELECT topic, partition, time_ms FROM positions").fetchall()
        return {(topic, partition): time_ms for topic, partition, time_ms in rows}

    def drop_pending(self) -> int:
        """Forgets all features that wait for a decision, and returns how many: for when it is known that none comes."""
        with self._transaction() as connection:
            dropped = connection.execute("DELETE FROM pending").rowcount
            connection.execute("UPDATE totals SET pending = 0")
        return dropped

    def stream_time(self) -> StreamTime:
        """As it was after the last record that was applied."""
        with self._reading() as connection:
            return tables.load_stream_time(connection)

    def not_seen_after(self, seen_at: int, most: int) -> list[tuple[str, Version]]:
        """Up to `most` live offers, with their versions, whose features came last at this stream time (milliseconds)
        or before, longest ago first. Reads no more rows than it returns."""
        with self._reading() as connection:
            return tables.load_seen_last_before(connection, seen_at, most)

    def live_vectors(self, chunk: int = 16_384) -> Iterator[Rows]:
        """All that belongs into the index, by rising key: (i64[n], f32[n, dim], i32[n], i32[n]), n ≤ chunk.

        What is applied between two chunks shows in the later ones only.
        """
        for keys, halves, sellers, blocks in self.live_halves(chunk):
            yield keys, halves.astype(np.float32), sellers, blocks

    def live_halves(self, chunk: int = 16_384) -> Iterator[HalfRows]:
        """The same with vectors as the file keeps them, f16[n, dim]."""
        after = -1
        dim = self._identity.dim
        while True:
            with self._reading() as connection:
                rows = connection.execute(
                    "SELECT key, seller_code, block, vector FROM vectors WHERE key > ? ORDER BY key LIMIT ?",
                    (after, chunk),
                ).fetchall()
            if not rows:
                return
            keys, sellers, blocks, vectors = zip(*rows, strict=True)
            after = keys[-1]
            if set(map(len, vectors)) != {dim * tables.VECTOR_DTYPE.itemsize}:
                raise StateUnusable(
                    f"state {self._path} holds vectors that are not of dimension {dim}: {how_to_delete(self._path)}"
                )
            values = np.frombuffer(b"".join(vectors), tables.VECTOR_DTYPE).reshape(-1, dim)
            yield np.array(keys, np.int64), values, np.array(sellers, np.int32), np.array(blocks, np.int32)

    def counts(self) -> Counts:
        """Sizes; quick at any size of the state."""
        with self._reading() as connection:
            totals = tables.load_totals(connection)
        return Counts(totals.offers, totals.live, totals.gone, totals.products, totals.pending)

    def seller_codes(self, ids: Sequence[str | None], *, create: bool = False) -> SellerCodes:
        """i32[n]: the sellers' codes; NO_SELLER for a missing (None or empty) one. One that is not known
        gets a code if `create` is set, else NO_SELLER: no stored offer is theirs."""
        with self._mutex:
            if create and (self._sellers.numbers([name for name in ids if name]) == NO_SELLER).any():
                with self._transaction() as connection:
                    added = self._sellers.add(connection, ids)
                self._sellers.learn(added)
            return self._sellers.numbers(ids)

    def block_names(self) -> list[str]:
        """The names of all blocks, each at the place of its number; also those that no live offer is in."""
        with self._mutex:
            return self._blocks.in_order()

    def block_sizes(self) -> dict[str | None, int]:
        """How many live offers each block has, None standing for those in no block. Reads all live offers."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT name, count(*) FROM vectors LEFT JOIN blocks ON number = block GROUP BY name"
            ).fetchall()
        return dict(rows)

    def audit(self) -> tuple[str, ...]:
        """What is wrong within the file, in words; empty if nothing is. Reads all of it."""
        with self._reading() as connection:
            return audit(connection)

    def _move_positions(self, positions: Mapping[tuple[str, int], int], times: Mapping[tuple[str, int], int]) -> None:
        stored = self.positions()
        for (topic, partition), next_offset in positions.items():
            known = stored.get((topic, partition), 0)
            if next_offset < known:
                raise PositionMovedBack(
                    f"state {self._path} is at offset {known} of {topic} [{partition}] and was asked to go back to "
                    f"{next_offset}: the log lost records, or they were read twice; if the log was really cut, "
                    f"{how_to_delete(self._path)}"
                )
        self._connection.executemany(
            "INSERT INTO positions (topic, partition, next_offset, time_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET next_offset = excluded.next_offset, time_ms = max(time_ms, excluded.time_ms)",
            ((*place, offset, times.get(place, 0)) for place, offset in positions.items()),
        )

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._mutex, sqlite_faults(self._path), self._timed():
            yield self._connection

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Adds to `busy_seconds`; what is asked within a transaction is counted once."""
        begun = time.perf_counter()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._busy += time.perf_counter() - begun

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._mutex, sqlite_faults(self._path), self._timed():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # After some faults SQLite has rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
