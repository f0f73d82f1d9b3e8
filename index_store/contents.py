"""What offers say, in a file of its own beside the state: large rows that are seldom read, by the place they came at.

A place is given once, so that rows are only ever appended, and dropped some time after nothing names them any more.
What is written here is on the disk before the state names it (docs/decisions/0033-contents-apart.md).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from index_store.errors import StateUnusable, how_to_delete
from index_store.sql import PAGE_BYTES, select_in

_CREATE: Final = (
    "CREATE TABLE owner (token TEXT NOT NULL)",
    "CREATE TABLE contents (place INTEGER PRIMARY KEY, seller_id TEXT, payload BLOB NOT NULL, image BLOB, text BLOB)",
)
_CACHE_KIB: Final = 8_192  # the inner pages of a million rows take 5 MB; rows are read once
_WAL_PAGES: Final = 4_096
_READERS: Final = 4
_WORTH_SHARING: Final = 64  # rows; for fewer, threads cost more than the disk's answering several at once spares


class Content(NamedTuple):
    """See `index_store.rows.FeatureRow`."""

    seller_id: str | None
    payload: bytes
    image: bytes | None
    text: bytes | None


def contents_path(state: Path) -> Path:
    """Where the contents of the state at this path lie."""
    return state.with_suffix(".contents")


def delete_contents(state: Path) -> None:
    """Deletes the file, if it is there."""
    for suffix in ("-wal", "-shm", ""):
        path = contents_path(state)
        path.with_name(path.name + suffix).unlink(missing_ok=True)


class ContentsFile:
    """An open file of contents. One thread at a time; whoever opens the state at the path has its lock.

    Methods raise SQLite's errors.
    """

    def __init__(self, state: Path, token: str, *, create: bool = False) -> None:
        """Opens the file of the state at this path, or (`create`) makes a new one in place of any other.

        Raises `StateUnusable` if it is missing or belongs to another state, as its `token` tells.
        """
        self._state = state
        self._path = contents_path(state)
        self._readers: list[sqlite3.Connection] = []
        self._pool: ThreadPoolExecutor | None = None
        if create:
            delete_contents(state)
        elif not self._path.exists():
            raise StateUnusable(f"state {state} lacks the file {self._path.name}: {how_to_delete(state)}")
        self._connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            self._tune()
            if create:
                self._create(token)
            self._check_owner(token)
        except BaseException:
            self._connection.close()
            raise

    def _tune(self) -> None:
        self._connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        self._connection.execute("PRAGMA journal_mode = WAL")
        # Each commit is on the disk when it returns: the state must never know of more than there is here.
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        # Some builds overwrite what is deleted, which reads and writes every page that becomes free.
        self._connection.execute("PRAGMA secure_delete = OFF")

    def _create(self, token: str) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for statement in _CREATE:
            self._connection.execute(statement)
        self._connection.execute("INSERT INTO owner VALUES (?)", (token,))
        self._connection.execute("COMMIT")

    def _check_owner(self, token: str) -> None:
        if self._connection.execute("SELECT token FROM owner").fetchall() != [(token,)]:
            raise StateUnusable(
                f"the file {self._path.name} is not that of the state {self._state}: {how_to_delete(self._state)}"
            )

    def write(self, added: Iterable[tuple[int, Content]], dropped: Iterable[int]) -> None:
        """Adds rows at their places and drops others, all or none; on the disk when it returns."""
        added, dropped = list(added), list(dropped)
        if not added and not dropped:
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("DELETE FROM contents WHERE place = ?", ((place,) for place in dropped))
            # Replaced: the state may not have come to know of what was written here before.
            self._connection.executemany(
                "INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?, ?)", ((place, *row) for place, row in added)
            )
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def read(self, places: Sequence[int]) -> dict[int, Content]:
        """The rows at these places. Raises `StateUnusable` where one is missing."""
        places = sorted(set(places))
        if len(places) < _WORTH_SHARING:
            rows = _read(self._connection, places)
        else:
            # Places are far apart, and a disk answers several questions in little more time than one.
            self._pool = self._pool or ThreadPoolExecutor(_READERS, thread_name_prefix="contents")
            while len(self._readers) < _READERS:
                self._readers.append(self._reader())
            share = -(-len(places) // _READERS)
            parts = [places[start : start + share] for start in range(0, len(places), share)]
            rows = [row for part in self._pool.map(_read, self._readers[: len(parts)], parts) for row in part]
        if len(rows) != len(places):
            raise StateUnusable(
                f"state {self._state} lacks the contents of {len(places) - len(rows)} offers in {self._path.name}: "
                f"{how_to_delete(self._state)}"
            )
        return {row[0]: Content(*row[1:]) for row in rows}

    def _reader(self) -> sqlite3.Connection:
        uri = f"{self._path.resolve().as_uri()}?mode=ro"
        reader = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        reader.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return reader

    def close(self) -> None:
        """Closing twice is allowed."""
        if self._pool is not None:
            self._pool.shutdown()
        for reader in self._readers:
            reader.close()
        # Last, so that it takes the log with it.
        self._connection.close()


def _read(
    connection: sqlite3.Connection, places: Sequence[int]
) -> list[tuple[int, str | None, bytes, bytes | None, bytes | None]]:
    statement = "SELECT place, seller_id, payload, image, text FROM contents WHERE place IN {}"
    return list(select_in(connection, statement, places))
