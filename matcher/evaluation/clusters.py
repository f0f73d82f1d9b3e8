"""Products as a whole: B³ precision and recall of a table offer → product (Bagga and Baldwin, 1998)."""

from collections.abc import Iterable

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from matcher.arrays import F64Array, I64Array


def b_cubed(pairs: Iterable[tuple[str, str]]) -> tuple[float | None, float | None]:
    """Precision and recall over (assigned product, true product) of each offer; None, None without any."""
    listed = list(pairs)
    if not listed:
        return None, None
    assigned = {name: code for code, name in enumerate({pair[0] for pair in listed})}
    true = {name: code for code, name in enumerate({pair[1] for pair in listed})}
    precision, recall = b_cubed_by_offer(
        np.array([assigned[pair[0]] for pair in listed], np.int64),
        np.array([true[pair[1]] for pair in listed], np.int64),
    )
    return float(precision.mean()), float(recall.mean())


def b_cubed_by_offer(assigned: I64Array, true: I64Array) -> tuple[F64Array, F64Array]:
    """Of n offers with their assigned and true products (codes ≥ 0, i64[n]): precision f64[n] and recall f64[n].

    Precision: the share of its assigned product that is truly of its product; recall: the share of its true product
    that was assigned with it.
    """
    if not len(assigned):
        return np.empty(0), np.empty(0)
    _, both, count = np.unique(assigned * (true.max() + 1) + true, return_inverse=True, return_counts=True)
    together = count[both].astype(np.float64)
    return together / np.bincount(assigned)[assigned], together / np.bincount(true)[true]


def united(size: int, left: I64Array, right: I64Array) -> I64Array:
    """The products that matches (left[i], right[i]) make of `size` offers: a code for each offer, i64[size].

    Offers that are linked by matches, directly or not, are one product; as in the stream, where an offer joins the
    product of the one it matches.
    """
    links = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(size, size))
    products: I64Array = connected_components(links, directed=False)[1].astype(np.int64)
    return products
