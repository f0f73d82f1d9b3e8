"""Whether a table knows enough to learn from, or to be measured against."""

from collections import Counter
from collections.abc import Mapping

from consumers.datasets.pairs import COLUMNS
from consumers.datasets.problems import DatasetUnusable
from consumers.datasets.table import ReadTable
from matcher.training.dataset import Pairs


def check_products(table: ReadTable) -> None:
    """Raises `DatasetUnusable` unless some product has two offers: labelled pairs give no query an answer."""
    known = Counter(product for product in table.products if product is not None)
    if max(known.values(), default=0) < 2:
        what = f"each of its {len(known)} products has a single offer" if known else _no_products(table)
        raise DatasetUnusable(
            f"{table.path}: expected known products to ask with, two offers of one at least: {what}; labelled pairs do "
            "not tell which offer a query should find"
        )


def check_truth(table: ReadTable, pairs: Mapping[str, Pairs]) -> None:
    """Raises `DatasetUnusable` unless two offers are known to be one product, and two to be different ones."""
    labelled = sum(len(some.same) for some in pairs.values())
    known = Counter(product for product in table.products if product is not None)
    if not known and not labelled:
        beside = (
            "; none of the pairs in " + ", ".join(f"{name}.csv" for name in pairs) + " is of two of its offers"
            if pairs
            else f" and no pairs_*.csv ({', '.join(COLUMNS)}) beside it"
        )
        raise DatasetUnusable(f"{table.path}: expected known products or labelled pairs: {_no_products(table)}{beside}")
    same = any(some.same.any() for some in pairs.values())
    different = any((~some.same).any() for some in pairs.values())
    if known and len(known) == 1 and not different:
        raise DatasetUnusable(f"{table.path}: expected at least two products, all are offers of {next(iter(known))!r}")
    if not known and not different:
        raise DatasetUnusable(f"{table.path}: expected pairs of both labels, all {labelled} have label 1")
    if not same and (not known or max(known.values()) == 1):
        what = f"each of its {len(known)} products has a single offer" if known else "no pair has label 1"
        raise DatasetUnusable(f"{table.path}: expected two offers of one product somewhere: {what}")


def _no_products(table: ReadTable) -> str:
    return "the column product_id is empty" if "product_id" in table.columns else "it has no column product_id"
