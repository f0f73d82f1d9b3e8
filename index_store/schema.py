"""The tables of a state file and the steps that lead an older file to them.

A file carries `APPLICATION_ID`, which tells it from other programs' databases, and in `user_version` the
number of steps that were applied to it. Steps are only ever appended.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from index_store.moving import move_contents

APPLICATION_ID: Final = 0x4F464D53
"""`PRAGMA application_id` of a state file: the letters OFMS."""

Migration = tuple[str | Callable[[sqlite3.Connection], None], ...]
"""Statements, and functions for what statements cannot say."""

_FIRST: Final[Migration] = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # Small rows: the ledger is asked for every offer that comes in. What is big lives beside it.
    """CREATE TABLE offers (
        key INTEGER PRIMARY KEY,
        offer_id TEXT NOT NULL UNIQUE,
        version_partition INTEGER NOT NULL,
        version_offset INTEGER NOT NULL,
        product_id TEXT,
        outcome TEXT NOT NULL,
        updated_at INTEGER NOT NULL
    )""",
    "CREATE TABLE contents (key INTEGER PRIMARY KEY, seller_id TEXT, payload BLOB NOT NULL)",
    # Apart from the payloads, so that loading an index reads vectors only. A row here is a live offer.
    "CREATE TABLE vectors (key INTEGER PRIMARY KEY, seller_code INTEGER NOT NULL, vector BLOB NOT NULL)",
    "CREATE TABLE sellers (code INTEGER PRIMARY KEY, seller_id TEXT NOT NULL UNIQUE)",
    """CREATE TABLE products (
        product_id TEXT PRIMARY KEY,
        founded_partition INTEGER NOT NULL,
        founded_offset INTEGER NOT NULL,
        members INTEGER NOT NULL CHECK (members >= 0)
    ) WITHOUT ROWID""",
    """CREATE TABLE pending (
        offer_id TEXT NOT NULL,
        version_partition INTEGER NOT NULL,
        version_offset INTEGER NOT NULL,
        seller_id TEXT,
        payload BLOB NOT NULL,
        vector BLOB NOT NULL,
        PRIMARY KEY (offer_id, version_partition, version_offset)
    )""",
    """CREATE TABLE positions (
        topic TEXT NOT NULL,
        partition INTEGER NOT NULL,
        next_offset INTEGER NOT NULL,
        PRIMARY KEY (topic, partition)
    ) WITHOUT ROWID""",
    # Counting rows would read every page of the file; metrics ask often.
    """CREATE TABLE totals (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        next_key INTEGER NOT NULL,
        offers INTEGER NOT NULL,
        live INTEGER NOT NULL,
        gone INTEGER NOT NULL,
        products INTEGER NOT NULL,
        pending INTEGER NOT NULL
    )""",
    "INSERT INTO totals VALUES (1, 1, 0, 0, 0, 0, 0)",
)

# What was built without raw features says so: a state that lacks what others keep would decide otherwise than they do.
_RAW_FEATURES: Final[Migration] = (
    # Apart from the payloads: few of those who read one read the other.
    "CREATE TABLE raw_features (key INTEGER PRIMARY KEY, image BLOB, text BLOB)",
    "ALTER TABLE pending ADD COLUMN image BLOB",
    "ALTER TABLE pending ADD COLUMN text BLOB",
    "INSERT INTO facts SELECT 'raw_features', 'false' WHERE EXISTS (SELECT 1 FROM facts)",
)

# What an older file holds counts as seen when stream time began, which is now: too late rather than too early.
_LAST_SEEN: Final[Migration] = (
    "ALTER TABLE vectors ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX vectors_by_seen_at ON vectors (seen_at)",
    "ALTER TABLE pending ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0",
    """CREATE TABLE stream_time (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        newest INTEGER NOT NULL,
        passed INTEGER NOT NULL
    )""",
    "INSERT INTO stream_time VALUES (1, 0, 0)",
)

# A file from before has no blocks, and says so: it cannot be told which block its offers belong to.
_BLOCKS: Final[Migration] = (
    "CREATE TABLE blocks (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "ALTER TABLE vectors ADD COLUMN block INTEGER NOT NULL DEFAULT -1",
    "ALTER TABLE pending ADD COLUMN block TEXT",
    "INSERT INTO facts SELECT 'blocks', '0' WHERE EXISTS (SELECT 1 FROM facts)",
)

# A state of before knows no time, which counts as long ago.
_TIMES: Final[Migration] = ("ALTER TABLE positions ADD COLUMN time_ms INTEGER NOT NULL DEFAULT 0",)

# Contents go to a file of their own; a vector gets a place with each version, and an offer names that of its own. A row
# that no offer names is stale until it is deleted. Places begin as the keys were.
_PLACES: Final[Migration] = (
    "CREATE TABLE contents_file (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), token TEXT NOT NULL)",
    "INSERT INTO contents_file VALUES (1, lower(hex(randomblob(16))))",
    move_contents,
    """CREATE TABLE placed (
        place INTEGER PRIMARY KEY,
        key INTEGER NOT NULL,
        seller_code INTEGER NOT NULL,
        seen_at INTEGER NOT NULL,
        block INTEGER NOT NULL,
        vector BLOB NOT NULL
    )""",
    "INSERT INTO placed SELECT key, key, seller_code, seen_at, block, vector FROM vectors ORDER BY key",
    "ALTER TABLE offers ADD COLUMN place INTEGER",
    "UPDATE offers SET place = key WHERE key IN (SELECT place FROM placed)",
    "DROP TABLE contents",
    "DROP TABLE raw_features",
    "DROP TABLE vectors",
    "ALTER TABLE placed RENAME TO vectors",
    "CREATE INDEX vectors_by_seen_at ON vectors (seen_at)",
    "CREATE TABLE stale (place INTEGER PRIMARY KEY)",
    "CREATE VIEW live_vectors AS SELECT * FROM vectors WHERE place NOT IN (SELECT place FROM stale)",
    "ALTER TABLE totals ADD COLUMN next_place INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE totals ADD COLUMN stale INTEGER NOT NULL DEFAULT 0",
    "UPDATE totals SET next_place = next_key",
)
PLACES: Final = 6
"""The schema since which contents lie apart."""

MIGRATIONS: Final[tuple[Migration, ...]] = (_FIRST, _RAW_FEATURES, _LAST_SEEN, _BLOCKS, _TIMES, _PLACES)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Apply the steps that the file lacks, each in a transaction of its own together with its number.

    Returns how many it had before.
    """
    (before,) = connection.execute("PRAGMA user_version").fetchone()
    for number, statements in enumerate(migrations[before:], start=before + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                if isinstance(statement, str):
                    connection.execute(statement)
                else:
                    statement(connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return int(before)
