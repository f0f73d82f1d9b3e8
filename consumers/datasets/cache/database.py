"""One SQLite file of the cache: opened for several processes at once, with errors that say what to do."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consumers.datasets.problems import CacheUnusable

#: Raised when the tables change; an older cache is refused, not converted: what is in it can be computed again.
SCHEMA = 1
#: How long one process waits while another writes. Seconds; a write takes milliseconds.
_PATIENCE = 60.0
#: Errors for which the place or another process is to blame, not what is in the file.
_OF_THE_PLACE = (
    "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_IOERR",
)  # fmt: skip


class Database:
    """A connection to one file; each micro-batch is one transaction, so that only the batch under way can be lost.

    Write-ahead log without a sync for each commit: a killed process loses nothing that was committed, a power cut at
    most the last batches, and neither damages the file.
    """

    def __init__(self, file: Path, tables: str) -> None:
        """`tables` is the SQL that makes them where they are missing. Raises `CacheUnusable`."""
        self.file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CacheUnusable(
                f"{file.parent}: expected a folder for features that can be written ({error.strerror}); "
                "OFFERMATCH_CACHE names another"
            ) from None
        with self.errors():
            self._connection = sqlite3.connect(file, timeout=_PATIENCE, isolation_level=None)
        try:
            with self.errors():
                self._prepare(tables)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection. Raises `CacheUnusable` for what SQLite raises."""
        with self.errors():
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection in a transaction that is committed at the end, or rolled back."""
        with self.errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turns SQLite's errors into `CacheUnusable`."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            # Errors that come from Python's side of the interface, such as text that is no UTF-8, have no name.
            if getattr(error, "sqlite_errorname", "").startswith(_OF_THE_PLACE):
                raise CacheUnusable(
                    f"{self.file}: expected a cache that can be written: {error}; OFFERMATCH_CACHE names another folder"
                ) from None
            raise CacheUnusable(
                f"{self.file}: expected a cache of features, it is damaged ({error}): delete it, and what was in it "
                "is encoded again"
            ) from None

    def _prepare(self, tables: str) -> None:
        run = self._connection.execute
        # Before the first table, or it has no effect: pages that hold several vectors instead of one.
        run("PRAGMA page_size = 16384")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        run("BEGIN IMMEDIATE")
        (found,) = run("PRAGMA user_version").fetchone()
        if found not in (0, SCHEMA):
            raise CacheUnusable(
                f"{self.file}: expected a cache of version {SCHEMA}, got {found}, made by another offermatch: delete "
                "it, or let OFFERMATCH_CACHE name another folder"
            )
        for statement in tables.split(";"):
            run(statement)
        run(f"PRAGMA user_version = {SCHEMA}")
        run("COMMIT")
