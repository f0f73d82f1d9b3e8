"""Does a state file agree with itself? SQLite's own check, and what the tables promise each other."""

from __future__ import annotations

import sqlite3
from typing import Final

_PROMISES: Final = (
    (
        "SELECT count(*) FROM vectors LEFT JOIN offers USING (key) WHERE offers.product_id IS NULL",
        "vectors belong to no offer that is alive",
    ),
    (
        "SELECT (SELECT count(*) FROM vectors LEFT JOIN contents USING (key) WHERE contents.key IS NULL)"
        " + (SELECT count(*) FROM contents LEFT JOIN vectors USING (key) WHERE vectors.key IS NULL)",
        "offers have a payload without a vector or a vector without a payload",
    ),
    (
        "SELECT (SELECT count(*) FROM raw_features LEFT JOIN vectors USING (key) WHERE vectors.key IS NULL)"
        " + (SELECT count(*) FROM vectors LEFT JOIN raw_features USING (key) WHERE raw_features.key IS NULL"
        " AND (SELECT value FROM facts WHERE name = 'raw_features') = 'true')",
        "offers have raw features without a vector, or in a state that keeps them a vector without raw features",
    ),
    (
        "SELECT count(*) FROM vectors LEFT JOIN sellers ON code = seller_code"
        " WHERE seller_code >= 0 AND sellers.code IS NULL",
        "vectors have an unknown seller",
    ),
    (
        "SELECT count(*) FROM vectors LEFT JOIN blocks ON number = block WHERE block >= 0 AND blocks.number IS NULL",
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
        "SELECT (offers, live, gone, products, pending) IS NOT ("
        " (SELECT count(*) FROM offers), (SELECT count(*) FROM vectors),"
        " (SELECT count(*) FROM offers WHERE product_id IS NULL),"
        " (SELECT count(*) FROM products WHERE members > 0), (SELECT count(*) FROM pending)) FROM totals",
        "running totals differ from the tables",
    ),
)


def audit(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Everything that is wrong, in words; empty if nothing is. Reads the whole file."""
    damage = [row[0] for row in connection.execute("PRAGMA integrity_check(10)") if row[0] != "ok"]
    if damage:
        return tuple(f"the file is damaged: {line}" for line in damage)
    connection.execute("CREATE TEMP TABLE counted AS SELECT product_id FROM offers WHERE product_id IS NOT NULL")
    try:
        connection.execute("CREATE INDEX temp.counted_by_product ON counted (product_id)")
        broken = [(connection.execute(query).fetchone()[0], promise) for query, promise in _PROMISES]
    finally:
        connection.execute("DROP TABLE temp.counted")
    return tuple(f"{count} {promise}" for count, promise in broken if count)
