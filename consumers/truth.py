"""Reading the truth: any offer table with a `product_id` column, among them what the simulated marketplace writes."""

import sys
from pathlib import Path

from matcher.evaluation import Truth
from producers.tables import BadRow, Row, TableUnusable, open_table
from producers.tables.event import identifier


def read_truth(path: Path) -> Truth:
    """Offer → product, and offer → seller where the table says so. `path` as for `producers.tables.open_table`.

    Rows that cannot be read or name no product are counted and skipped. Raises `TableUnusable`, also for a table
    without `product_id` and for an offer that has two products.
    """
    table = open_table(path)
    if "product_id" not in table.columns:
        found = ", ".join(table.columns)
        raise TableUnusable(f"{table.path}: expected the columns offer_id and product_id as the truth; found {found}")
    products: dict[str, str] = {}
    sellers: dict[str, str] = {}
    skipped = 0
    for row in table.rows():
        offer_id, product_id, seller_id = _ids(row)
        if offer_id is None or product_id is None:
            skipped += 1
            continue
        if products.setdefault(offer_id, sys.intern(product_id)) != product_id:
            raise TableUnusable(
                f"{table.path}, line {row.line}: expected one product of offer {offer_id!r}, "
                f"got {product_id!r} after {products[offer_id]!r}"
            )
        if seller_id is not None:
            sellers[offer_id] = sys.intern(seller_id)
    if not products:
        raise TableUnusable(f"{table.path}: expected rows with offer_id and product_id, none of {skipped} has both")
    return Truth(products=products, sellers=sellers, skipped=skipped)


def _ids(row: Row | BadRow) -> tuple[str | None, str | None, str | None]:
    """The ids of offer, product and seller; all None where one of them cannot be read."""
    if isinstance(row, BadRow):
        return None, None, None
    try:
        return (
            identifier(row.cells, "offer_id"),
            identifier(row.cells, "product_id"),
            identifier(row.cells, "seller_id"),
        )
    except ValueError:
        return None, None, None
