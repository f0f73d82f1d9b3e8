"""Opening a state file: is it ours, is it whole, is it for this matcher?"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from index_store.contents import ContentsFile
from index_store.errors import StateForeign, StateMismatch, StateTooNew, how_to_delete, sqlite_faults
from index_store.reading_ahead import read_ahead
from index_store.rows import Identity
from index_store.schema import APPLICATION_ID, MIGRATIONS, PLACES, Migration, migrate
from index_store.sql import PAGE_BYTES

_CACHE_KIB: Final = 262_144  # all that is read at random of a million offers; taken as it is needed
_WAL_PAGES: Final = 4096


def open_state_file(path: Path, identity: Identity, migrations: Sequence[Migration] = MIGRATIONS) -> sqlite3.Connection:
    """Open or create the state at `path`. The caller holds its lock.

    Raises `StateForeign` and `StateTooNew` (the file is not touched), `StateMismatch`, `StateUnusable`,
    `StateDiskFault`.
    """
    with sqlite_faults(path):
        _read_ahead(path)
        connection = _connect(path)
        try:
            _refuse_others(connection, path, known=len(migrations))
            _tune(connection)
            before = migrate(connection, migrations)
            if 0 < before < PLACES <= len(migrations) and _compact(connection, path):
                connection = _connect(path)
                _tune(connection)
            _match_identity(connection, path, identity)
        except BaseException:
            connection.close()
            raise
    return connection


def open_contents(connection: sqlite3.Connection, path: Path) -> ContentsFile:
    """The contents of an open state. Raises `StateUnusable`, `StateDiskFault`."""
    with sqlite_faults(path):
        (token,) = connection.execute("SELECT token FROM contents_file").fetchone()
        return ContentsFile(path, token)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def _read_ahead(path: Path) -> None:
    # All of it is about to be read, not quite in order. Never once SQLite has opened the file: closing another
    # descriptor of a file would give its locks up.
    if path.exists():
        with path.open("rb") as file:
            read_ahead(file.fileno(), path.stat().st_size)


def _compact(connection: sqlite3.Connection, path: Path) -> bool:
    """Without the pages that became free, if there is room for that; the connection is closed then."""
    compact = path.with_name(path.name + ".compact")
    compact.unlink(missing_ok=True)
    try:
        connection.execute("VACUUM INTO ?", (str(compact),))
    except sqlite3.OperationalError as error:
        compact.unlink(missing_ok=True)
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
            return False
        raise
    with compact.open("rb") as file:
        os.fsync(file.fileno())
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    compact.replace(path)
    return True


def _refuse_others(connection: sqlite3.Connection, path: Path, known: int) -> None:
    # Reads only: a file that is not ours must stay as it is.
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (objects,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID and (application or objects or schema):
        raise StateForeign(
            f"{path} is a SQLite database of another program (application id {application:#x}, expected "
            f"{APPLICATION_ID:#x}); it was not touched: name another file or folder for the state"
        )
    if schema > known:
        raise StateTooNew(
            f"state {path} has schema {schema}, this version of the program knows up to {known}: run the "
            f"version that wrote it, or {how_to_delete(path)}"
        )


def _tune(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of a new file; ignored on others
    connection.execute("PRAGMA journal_mode = WAL")
    # A power failure may take back the last commits, never part of one (https://sqlite.org/wal.html). The
    # log is the truth: what is taken back is read from it again, since the positions go back with it.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA secure_delete = OFF")  # see `index_store.contents`


def _match_identity(connection: sqlite3.Connection, path: Path, identity: Identity) -> None:
    asked = {
        "bundle": identity.bundle,
        "dim": identity.dim,
        "partition": identity.partition,
        "partitions": identity.partitions,
        "topics": sorted(identity.topics),
        "raw_features": identity.raw_features,
        "blocks": identity.blocks,
    }
    stored = {name: json.loads(value) for name, value in connection.execute("SELECT name, value FROM facts")}
    if not stored:
        rows = [(name, json.dumps(value)) for name, value in asked.items()]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO facts VALUES (?, ?)", rows)
        connection.execute("COMMIT")
        return
    differing = [
        f"{name} {stored.get(name)!r}, not {value!r}" for name, value in asked.items() if stored.get(name) != value
    ]
    if differing:
        raise StateMismatch(
            f"state {path} was built for {'; '.join(differing)}: start with what it was built for, give this "
            f"matcher another state folder, or {how_to_delete(path)}"
        )
