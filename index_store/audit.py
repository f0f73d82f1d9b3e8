"""Does a state file agree with itself? SQLite's own check, and what the tables promise each other."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

_PROMISES: Final = (
    (
        "SELECT count(*) FROM live_vectors LEFT JOIN offers USING (key)"
        " WHERE offers.product_id IS NULL OR offers.place IS NOT live_vectors.place",
        "vectors belong to no offer that is alive",
    ),
    (
        "SELECT count(*) FROM offers WHERE place IS NOT NULL AND place NOT IN (SELECT place FROM live_vectors)",
        "offers have no vector at their place",
    ),
    (
        # Behind the next place lies what was written before a process ended: it will be written over.
        "SELECT (SELECT count(*) FROM live_vectors WHERE place NOT IN (SELECT place FROM apart.contents))"
        " + (SELECT count(*) FROM apart.contents, totals"
        " WHERE place < next_place AND place NOT IN (SELECT place FROM vectors))",
        "offers have a payload without a vector or a vector without a payload",
    ),
    (
        "SELECT count(*) FROM apart.contents WHERE (image IS NOT NULL OR text IS NOT NULL)"
        " AND (SELECT value FROM facts WHERE name = 'raw_features') = 'false'",
        "offers have raw features in a state that keeps none",
    ),
    (
        "SELECT count(*) FROM live_vectors LEFT JOIN sellers ON code = seller_code"
        " WHERE seller_code >= 0 AND sellers.code IS NULL",
        "vectors have an unknown seller",
    ),
    (
        "SELECT count(*) FROM live_vectors LEFT JOIN blocks ON number = block"
        " WHERE block >= 0 AND blocks.number IS NULL",
        "vectors have an unknown block",
    ),
    (
        "SELECT count(*) FROM blocks WHERE number < 0",
        "blocks have a negative number",
    ),
    (
        "SELECT count(*) FROM products WHERE members !="
        " (SELECT count(*) FROM counted WHERE counted.product_id = products.product_id)",
        "products have another number of members than the ledger",
    ),
    (
        "SELECT count(DISTINCT product_id) FROM counted WHERE product_id NOT IN (SELECT product_id FROM products)",
        "products of the ledger are not in the table of products",
    ),
    (
        "SELECT count(*) FROM pending JOIN offers USING (offer_id)"
        " WHERE pending.version_offset <= offers.version_offset",
        "features are held although their version is decided",
    ),
    (
        "SELECT (stale, offers, live, gone, products, pending) IS NOT ("
        " (SELECT count(*) FROM stale), (SELECT count(*) FROM offers), (SELECT count(*) FROM live_vectors),"
        " (SELECT count(*) FROM offers WHERE product_id IS NULL),"
        " (SELECT count(*) FROM products WHERE members > 0), (SELECT count(*) FROM pending)) FROM totals",
        "running totals differ from the tables",
    ),
)


def audit(connection: sqlite3.Connection, contents: Path) -> tuple[str, ...]:
    """Everything that is wrong, in words; empty if nothing is. Reads all of both files (see `index_store.contents`)."""
    connection.execute("ATTACH ? AS apart", (str(contents),))
    try:
        checks = connection.execute("PRAGMA integrity_check(10)")
        damage = [row[0] for row in checks if row[0] != "ok"]
        if damage:
            return tuple(f"the file is damaged: {line}" for line in damage)
        return _broken(connection)
    finally:
        connection.execute("DETACH apart")


def _broken(connection: sqlite3.Connection) -> tuple[str, ...]:
    connection.execute("CREATE TEMP TABLE counted AS SELECT product_id FROM offers WHERE product_id IS NOT NULL")
    try:
        connection.execute("CREATE INDEX temp.counted_by_product ON counted (product_id)")
        broken = [(connection.execute(query).fetchone()[0], promise) for query, promise in _PROMISES]
    finally:
        connection.execute("DROP TABLE temp.counted")
    return tuple(f"{count} {promise}" for count, promise in broken if count)
