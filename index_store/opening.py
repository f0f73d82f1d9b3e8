"""Opening a state file: is it ours, is it whole, is it for this matcher?"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from index_store.errors import StateForeign, StateMismatch, StateTooNew, how_to_delete, sqlite_faults
from index_store.rows import Identity
from index_store.schema import APPLICATION_ID, MIGRATIONS, Migration, migrate

_PAGE_BYTES: Final = 8192  # holds two vectors of 1664 dimensions; a page of 4096 would hold one and a gap
_CACHE_KIB: Final = 65_536
_WAL_PAGES: Final = 4096


def open_state_file(path: Path, identity: Identity, migrations: Sequence[Migration] = MIGRATIONS) -> sqlite3.Connection:
    """Open or create the state at `path`. The caller holds its lock.

    Raises `StateForeign` and `StateTooNew` (the file is not touched), `StateMismatch`, `StateUnusable`,
    `StateDiskFault`.
    """
    with sqlite_faults(path):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            _refuse_others(connection, path, known=len(migrations))
            _tune(connection)
            migrate(connection, migrations)
            _match_identity(connection, path, identity)
        except BaseException:
            connection.close()
            raise
    return connection


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
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # of a new file; ignored on others
    connection.execute("PRAGMA journal_mode = WAL")
    # A power failure may take back the last commits, never part of one (https://sqlite.org/wal.html). The
    # log is the truth: what is taken back is read from it again, since the positions go back with it.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    connection.execute("PRAGMA temp_store = MEMORY")


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
