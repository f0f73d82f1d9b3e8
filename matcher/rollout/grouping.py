"""Two ways to group the same offers into products, compared as partitions."""

from collections.abc import Iterable, Sequence

import numpy as np

from matcher.arrays import I64Array
from matcher.evaluation.clusters import b_cubed_by_offer
from matcher.rollout.result import Grouping


def compare_groups(products: Sequence[tuple[str, str]]) -> Grouping:
    """`products`: for each offer its product before and after; the names themselves are not compared."""
    before, after = _codes(p for p, _ in products), _codes(p for _, p in products)
    both = before * (after.max(initial=0) + 1) + after
    precision, recall = b_cubed_by_offer(after, before)
    some = len(products) > 0
    return Grouping(
        products_before=len(np.unique(before)),
        products_after=len(np.unique(after)),
        pairs_before=_pairs(before),
        pairs_after=_pairs(after),
        pairs_both=_pairs(both),
        same_mates=float(((precision == 1) & (recall == 1)).mean()) if some else None,
        b3_precision=float(precision.mean()) if some else None,
        b3_recall=float(recall.mean()) if some else None,
    )


def _codes(names: Iterable[str]) -> I64Array:
    known: dict[str, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], np.int64)


def _pairs(codes: I64Array) -> int:
    _, sizes = np.unique(codes, return_counts=True)
    return int((sizes * (sizes - 1) // 2).sum())
