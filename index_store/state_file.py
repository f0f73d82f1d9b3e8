"""An open state file: locked against other processes, one thread at a time, each change a transaction."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index_store.contents import delete_contents
from index_store.errors import sqlite_faults
from index_store.lock import FileLock
from index_store.opening import open_contents, open_state_file
from index_store.rows import Identity


class StateFile:
    """Whoever reads or writes the connection does so inside `mutex`, which one thread may take again and again."""

    def __init__(self, path: Path, identity: Identity) -> None:
        """Opens the file, or creates it with its folder. Raises what `State` says."""
        self.path = path
        self.mutex = threading.RLock()
        self._busy = 0.0
        self._depth = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path)
        try:
            self.connection = open_state_file(path, identity)
            try:
                self.contents = open_contents(self.connection, path)
            except BaseException:
                self.connection.close()
                raise
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Close the file and let other processes have it. Closing twice is allowed."""
        with self.mutex:
            self.contents.close()
            self.connection.close()
            self._lock.release()

    def discard(self) -> None:
        """Close the files and delete them."""
        with self.mutex:
            self.contents.close()
            self.connection.close()
            # Without its log a file is an older state, and whole; a log without its file would be nothing.
            for suffix in ("-wal", "-shm", ""):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            delete_contents(self.path)
            self._lock.release()

    @property
    def busy_seconds(self) -> float:
        """Seconds spent in `reading` and `transaction`; what is asked within a transaction is counted once."""
        return self._busy

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, to be read. Raises `StateUnusable`, `StateDiskFault`."""
        with self.mutex, sqlite_faults(self.path), self._timed():
            yield self.connection

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Another connection, to be read from end to end: it keeps little in memory, and what is read there leaves what
        the first one holds alone. Use it inside `reading`."""
        with sqlite_faults(self.path):
            uri = f"{self.path.resolve().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The connection, to be written: committed at the end, or on any error as it was. Raises as `reading`."""
        with self.mutex, sqlite_faults(self.path), self._timed():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                # After some faults SQLite has rolled back by itself.
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _timed(self) -> Iterator[None]:
        begun = time.perf_counter()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._busy += time.perf_counter() - begun
