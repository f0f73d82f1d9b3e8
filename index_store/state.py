"""The state of a matcher: two SQLite files per group and partition, a fold over `offer-features` and `matches`.

It holds nothing that the logs do not, so it can always be deleted and rebuilt; it is there to make a start
quick. One process owns it; within that process its methods may be called from several threads.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from index_store import tables
from index_store.applying import write_changes
from index_store.audit import audit
from index_store.checking import check_changes
from index_store.contents import Content, contents_path
from index_store.halves import to_singles
from index_store.live import live_halves
from index_store.names import Names, load_used_blocks
from index_store.positions import load_positions, load_times
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
from index_store.state_file import StateFile
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
        self._identity = identity
        self._file = StateFile(path, identity)
        self._seen_from = 0  # no live offer was seen last before this stream time
        try:
            with self._file.reading() as connection:
                self._sellers, self._blocks = Names(connection, "sellers"), Names(connection, "blocks")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file and let other processes have it. Closing twice is allowed."""
        self._file.close()

    def discard(self) -> None:
        """Close the file and delete it; whoever opens it next has an empty one."""
        self._file.discard()

    def __enter__(self) -> State:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def busy_seconds(self) -> float:
        """Seconds spent reading and writing the file, and making values of what was read, since it was opened."""
        return self._file.busy_seconds

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
        with self._file.mutex:
            with self._file.transaction() as connection:
                written = write_changes(
                    connection,
                    self._file.path,
                    self._file.contents,
                    changes,
                    sellers=self._sellers,
                    blocks=self._blocks,
                )
            self._sellers.learn(written.sellers)
            self._blocks.learn(written.blocks)
            self._seen_from = min([self._seen_from, *(one.row.seen_at for one in written.attached)])
        return written.applied(self._identity.dim)

    def ledger(self, offer_ids: Sequence[str]) -> dict[str, LedgerRow]:
        """The last decisions on these offers; an offer that was never decided is left out."""
        with self._file.reading() as connection:
            return tables.load_ledger(connection, offer_ids)

    def by_keys(self, keys: Keys | Sequence[int]) -> dict[int, StoredOffer]:
        """The offers with these keys; an unknown key is left out."""
        with self._file.reading() as connection:
            rows, contents = tables.load_rows(connection, _ints(keys)), self._contents(connection, keys)
        offers = {}
        for key, row in rows.items():
            said = contents.get(key)
            offers[key] = StoredOffer(
                row.offer_id,
                row.product_id,
                row.version,
                said.seller_id if said else None,
                said.payload if said else None,
            )
        return offers

    def rows(self, keys: Keys | Sequence[int]) -> dict[int, OfferRow]:
        """Which offers these keys stand for; an unknown key is left out. Reads the ledger alone."""
        with self._file.reading() as connection:
            return tables.load_rows(connection, _ints(keys))

    def contents(self, keys: Keys | Sequence[int]) -> dict[int, StoredContent]:
        """What the live offers with these keys say; others are left out."""
        with self._file.reading() as connection:
            contents = self._contents(connection, keys)
        return {key: StoredContent(said.payload, said.image, said.text) for key, said in contents.items()}

    def _contents(self, connection: sqlite3.Connection, keys: Keys | Sequence[int]) -> dict[int, Content]:
        places = tables.load_places(connection, _ints(keys))
        contents = self._file.contents.read(list(places.values()))
        return {key: contents[place] for key, place in places.items()}

    def positions(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> offset of the first record that is not applied yet."""
        with self._file.reading() as connection:
            return load_positions(connection)

    def times(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> a time, Kafka's, in milliseconds since 1970: what is not applied yet was written later.

        0 where none is known.
        """
        with self._file.reading() as connection:
            return load_times(connection)

    def drop_pending(self) -> int:
        """Forgets all features that wait for a decision, and returns how many: for when it is known that none comes."""
        with self._file.transaction() as connection:
            dropped = connection.execute("DELETE FROM pending").rowcount
            connection.execute("UPDATE totals SET pending = 0")
        return dropped

    def stream_time(self) -> StreamTime:
        """As it was after the last record that was applied."""
        with self._file.reading() as connection:
            return tables.load_stream_time(connection)

    def not_seen_after(self, seen_at: int, most: int) -> list[tuple[str, Version]]:
        """Up to `most` live offers, with their versions, whose features came last at this stream time (milliseconds)
        or before, longest ago first. Reads no more rows than it returns."""
        with self._file.reading() as connection:
            found = tables.load_seen_between(connection, self._seen_from, seen_at, most)
            # Stale rows lie between, and are not to be read again each time.
            self._seen_from = found[0][2] if found else max(self._seen_from, seen_at + 1)
        return [(offer_id, version) for offer_id, version, _ in found]

    def live_vectors(self, chunk: int = 16_384) -> Iterator[Rows]:
        """All that belongs into the index, each key once, in the order in which their versions came:
        (i64[n], f32[n, dim], i32[n], i32[n]), n ≤ chunk. As it was when the first was asked for."""
        for keys, halves, sellers, blocks in self.live_halves(chunk):
            yield keys, to_singles(halves), sellers, blocks

    def live_halves(self, chunk: int = 4_096) -> Iterator[HalfRows]:
        """The same with vectors as the file keeps them, f16[n, dim]. Such chunks stay in a processor's caches."""
        return live_halves(self._file, self._identity.dim, chunk)

    def counts(self) -> Counts:
        """Sizes; quick at any size of the state."""
        with self._file.reading() as connection:
            totals = tables.load_totals(connection)
        return Counts(totals.offers, totals.live, totals.gone, totals.products, totals.pending)

    def seller_codes(self, ids: Sequence[str | None], *, create: bool = False) -> SellerCodes:
        """i32[n]: the sellers' codes; NO_SELLER for a missing (None or empty) one. One that is not known
        gets a code if `create` is set, else NO_SELLER: no stored offer is theirs."""
        with self._file.mutex:
            if create and (self._sellers.numbers([name for name in ids if name]) == NO_SELLER).any():
                with self._file.transaction() as connection:
                    added = self._sellers.add(connection, ids)
                self._sellers.learn(added)
            return self._sellers.numbers(ids)

    def block_names(self) -> dict[str, int]:
        """The names of all blocks with their numbers, by rising number; also those that no live offer is in."""
        with self._file.mutex:
            return self._blocks.by_name()

    def drop_unused_blocks(self, most: int) -> int:
        """Forgets the names of blocks that neither a live offer nor held features are in, if they are more than `most`
        and more than the others; returns how many. Those that stay keep their numbers. Reads all live offers, unless
        there are no more than `most` names."""
        if len(self._blocks) <= most:
            return 0
        with self._file.transaction() as connection:
            used = load_used_blocks(connection)
            unused = [name for name in self._blocks.by_name() if name not in used]
            if len(unused) <= max(most, len(used)):
                return 0
            self._blocks.drop(connection, unused)
        self._blocks.forget(unused)
        return len(unused)

    def block_sizes(self) -> dict[str | None, int]:
        """How many live offers each block has, None standing for those in no block. Reads all live offers."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT name, count(*) FROM live_vectors LEFT JOIN blocks ON number = block GROUP BY name"
            ).fetchall()
        return dict(rows)

    def audit(self) -> tuple[str, ...]:
        """What is wrong within the files, in words; empty if nothing is. Reads all of them."""
        with self._file.reading() as connection:
            return audit(connection, contents_path(self._file.path))


def _ints(keys: Keys | Sequence[int]) -> list[int]:
    return [int(key) for key in keys]
