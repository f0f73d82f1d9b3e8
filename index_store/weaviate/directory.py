"""What this side knows of each entry: the truth by which the cluster's answers are judged, in a SQLite file.

An entry in the cluster is an object that is written once and never changed; a replacement is another object, with the
entry's next generation. The directory says which generation counts, and keeps the vector, seller and block of it. All
other objects that the cluster may still hold are listed as strays *before* they are sent and until they are deleted, so
that whenever the process dies, every object out there is either an entry's or a stray.
"""

from __future__ import annotations

import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from index_store.errors import StateMismatch, sqlite_faults
from index_store.lock import FileLock
from index_store.sql import select_in
from index_store.store import Keys
from index_store.tables import VECTOR_DTYPE
from index_store.weaviate.found import Found, Objects, contains

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), dim INTEGER NOT NULL, incarnation TEXT NOT NULL,
    next_generation INTEGER NOT NULL, longest REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS entries (
    key INTEGER PRIMARY KEY, generation INTEGER NOT NULL, seller INTEGER NOT NULL, block INTEGER NOT NULL,
    thin INTEGER NOT NULL, vector BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS thin_entries ON entries (key) WHERE thin;
CREATE TABLE IF NOT EXISTS strays (key INTEGER, generation INTEGER, PRIMARY KEY (key, generation)) WITHOUT ROWID;
"""
_MOST_KEPT: Final = 16_384  # entries that are kept from one `find` to the next: 7 MB of 192 dimensions
_COLUMNS: Final = "key, generation, seller, block, vector"


class Directory:
    """The file belongs to one process; its threads may call at the same time, one of them gets in."""

    def __init__(self, path: Path | None, dim: int) -> None:
        """Open or create the file (None: in memory, for as long as this object lives).

        Raises `StateLocked`; `StateMismatch` for a file of another dimension, `StateUnusable`, `StateDiskFault`.
        """
        self._path = path or Path(":memory:")
        self._dim = dim
        self._turn = threading.RLock()
        self._lock: FileLock | None = None
        self._last = self._unpack(())
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path)
        try:
            with sqlite_faults(self._path):
                self._connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
                # FULL: if a power failure took back a commit, an entry could name an object that was since deleted.
                for pragma in ("page_size = 8192", "journal_mode = WAL", "synchronous = FULL", "cache_size = -65536"):
                    self._connection.execute(f"PRAGMA {pragma}")
                self._connection.executescript(_SCHEMA)
                fresh = (dim, uuid.uuid4().hex[:12])
                self._connection.execute("INSERT OR IGNORE INTO facts VALUES (1, ?, ?, 1, 0)", fresh)
                facts = self._connection.execute("SELECT dim, incarnation, next_generation, longest FROM facts")
                stored_dim, self.incarnation, self._next, self.longest = facts.fetchone()
                (size,) = self._connection.execute("SELECT count(*) FROM entries").fetchone()
            self._size = int(size)
            if stored_dim != dim:
                raise StateMismatch(f"{path} is of an index with {stored_dim} dimensions, expected {dim}")
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return self._size

    def close(self) -> None:
        """Close the file. Closing twice is allowed."""
        if hasattr(self, "_connection"):
            self._connection.close()
        if self._lock is not None:
            self._lock.release()

    def find(self, keys: Keys) -> Found:
        """The entries with these keys."""
        wanted = np.unique(keys)
        with self._turn:
            # What a search found is asked for again by whoever wants its vectors.
            found = self._last if contains(self._last.keys, wanted).all() else self._read(wanted)
            if len(wanted) <= _MOST_KEPT:
                self._last = found
        return found if len(found.keys) <= len(wanted) else found.part(np.searchsorted(found.keys, wanted))

    def after(self, key: int, count: int) -> Found:
        """The next `count` entries by rising key, from above `key`."""
        sql = f"SELECT {_COLUMNS} FROM entries WHERE key > ? ORDER BY key LIMIT ?"
        with self._reading():
            return self._unpack(self._connection.execute(sql, (key, count)).fetchall())

    def thin(self, count: int) -> Found:
        """Up to `count` entries that are not known to be on every replica."""
        sql = f"SELECT {_COLUMNS} FROM entries WHERE thin ORDER BY key LIMIT ?"
        with self._reading():
            return self._unpack(self._connection.execute(sql, (count,)).fetchall())

    def announce(self, keys: Keys) -> npt.NDArray[np.int64]:
        """Generations i64[n] for objects that are about to be sent; they are strays until `settle`."""
        with self._turn:
            generations = np.arange(self._next, self._next + len(keys), dtype=np.int64)
            with self._writing():
                self._connection.execute("UPDATE facts SET next_generation = ?", (self._next + len(keys),))
                self._add_strays(zip(keys.tolist(), generations.tolist(), strict=True))
            self._next += len(keys)
        return generations

    def settle(self, found: Found, thin: npt.NDArray[np.bool_]) -> None:
        """From now on these are the entries (each key once); what they replace are strays.

        thin bool[n]: not known to be on every replica
        """
        longest = float(np.linalg.norm(found.vectors.astype(np.float64), axis=1).max(initial=self.longest))
        keys = found.keys.tolist()
        before = self._objects(keys)
        objects = list(zip(keys, found.generations.tolist(), strict=True))
        columns = (found.sellers.tolist(), found.blocks.tolist(), thin.tolist(), found.vectors)
        rows = [
            (key, generation, seller, block, thin_, vector.astype(VECTOR_DTYPE).tobytes())
            for (key, generation), seller, block, thin_, vector in zip(objects, *columns, strict=True)
        ]
        with self._writing():
            self._connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._connection.executemany("DELETE FROM strays WHERE key = ? AND generation = ?", objects)
            self._add_strays(before)
            self._connection.execute("UPDATE facts SET longest = ?", (longest,))
        self._size += len(objects) - len(before)
        self.longest = longest

    def drop(self, keys: Keys) -> int:
        """Make strays of the entries with these keys; returns how many there were."""
        before = self._objects(np.unique(keys).tolist())
        with self._writing():
            self._connection.executemany("DELETE FROM entries WHERE key = ?", ((key,) for key, _ in before))
            self._add_strays(before)
        self._size -= len(before)
        return len(before)

    def strays(self, count: int) -> Objects:
        """Up to `count` objects that the cluster may hold and should not."""
        with self._reading():
            return self._connection.execute("SELECT key, generation FROM strays LIMIT ?", (count,)).fetchall()

    def forget(self, strays: Objects) -> None:
        """These objects are deleted on every replica."""
        with self._writing():
            self._connection.executemany("DELETE FROM strays WHERE key = ? AND generation = ?", strays)

    def start_over(self) -> None:
        """Forget everything: the cluster has lost what was there."""
        with self._writing():
            self._connection.execute("DELETE FROM entries")
            self._connection.execute("DELETE FROM strays")
            self._connection.execute("UPDATE facts SET incarnation = ?, longest = 0", (uuid.uuid4().hex[:12],))
        (self.incarnation,) = self._connection.execute("SELECT incarnation FROM facts").fetchone()
        self._size, self.longest = 0, 0.0

    def _objects(self, keys: Sequence[int]) -> Objects:
        with self._reading():
            rows = select_in(self._connection, "SELECT key, generation FROM entries WHERE key IN {}", keys)
            return [(key, generation) for key, generation in rows]

    def _add_strays(self, objects: Iterable[tuple[int, int]]) -> None:
        self._connection.executemany("INSERT OR IGNORE INTO strays VALUES (?, ?)", objects)

    def _read(self, keys: Keys) -> Found:
        sql = f"SELECT {_COLUMNS} FROM entries WHERE key IN {{}}"
        with self._reading():
            return self._unpack(sorted(select_in(self._connection, sql, keys.tolist())))

    def _unpack(self, rows: Sequence[tuple[int, int, int, int, bytes]]) -> Found:
        keys, generations, sellers, blocks, vectors = zip(*rows, strict=True) if rows else ((), (), (), (), ())
        halves = np.frombuffer(b"".join(vectors), VECTOR_DTYPE).reshape(-1, self._dim)
        return Found(
            np.array(keys, np.int64),
            np.array(generations, np.int64),
            np.array(sellers, np.int32),
            np.array(blocks, np.int32),
            halves,
        )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._turn, sqlite_faults(self._path):
            yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._reading():
            self._last = self._unpack(())
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # After some faults SQLite has rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
