"""What can be wrong with a state file, and the translation of SQLite's faults into those words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final


class StateError(Exception):
    """A state file cannot be used as asked; the text says why and what to do."""


class StateLocked(StateError):
    """Another process has the state open. `pid` is its process id, None where it could not be read."""

    def __init__(self, path: Path, pid: int | None) -> None:
        self.pid = pid
        who = "another process" if pid is None else f"process {pid}"
        super().__init__(
            f"state {path} is in use by {who}; a state belongs to one process: stop that one, or "
            "give this one a state folder of its own"
        )


class StateForeign(StateError):
    """The file is a SQLite database of some other program. It was not touched."""


class StateTooNew(StateError):
    """The file was written by a later version of this program, whose schema this one does not know."""


class StateMismatch(StateError):
    """The file was built for another bundle, dimension, partition or set of topics."""


class StateUnusable(StateError):
    """The file is damaged. It holds nothing that the log does not: delete it and it is rebuilt."""


class StateDiskFault(StateError):
    """The disk refused (full, read-only, input/output error). What was committed before is untouched."""


class PositionMovedBack(StateError, ValueError):
    """A batch ends before a position that is already applied: the log lost data, or was read twice."""


class VersionsNotComparable(StateError, ValueError):
    """Two versions of one offer lie in different partitions of `offers`, so neither is the later one."""


def how_to_delete(path: Path) -> str:
    """The sentence that tells an operator how to get a new state."""
    return (
        f"delete {path} (with {path.name}-wal, {path.name}-shm and {path.stem}.contents, if they are there), "
        "and it is rebuilt from the log at the next start"
    )


_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_REFUSED: Final = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_PERM,
}


@contextmanager
def sqlite_faults(path: Path) -> Iterator[None]:
    """Raise SQLite's faults about the file itself as `StateUnusable` or `StateDiskFault`; others as they are.

    Source: https://sqlite.org/rescode.html (the low byte of an extended code is the primary one).
    """
    try:
        yield
    except sqlite3.DatabaseError as fault:
        code = getattr(fault, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        if primary in _DAMAGED:
            raise StateUnusable(f"state {path} is damaged ({fault}): {how_to_delete(path)}") from fault
        if primary in _REFUSED:
            name = getattr(fault, "sqlite_errorname", "")
            raise StateDiskFault(
                f"state {path} could not be read or written: {fault} ({name}); nothing committed is lost: "
                "make room or mend the disk and start again"
            ) from fault
        raise
