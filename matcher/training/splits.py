"""What is held out: products, or whole groups of sibling products, so that near twins never straddle a split."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from matcher.arrays import BoolArray, F32Array, I64Array
from matcher.training.dataset import Dataset, Features, Pairs

#: A product's nearest products that count as its siblings, and the largest share of all products in one group.
SIBLINGS = 2
LARGEST_GROUP = 0.05
#: A group may always have so many products, however small the data set, and never more than so many, however large:
#: a few giant groups would leave nothing to draw intervals from, nor to certify a threshold with.
SMALLEST_CAP, LARGEST_CAP = 8, 25


def folds(dataset: Dataset, k: int, by: Literal["product", "group"], seed: int) -> I64Array:
    """`i64[n]`: the fold, 0 to k - 1, of each offer; products (or sibling groups) whole, folds of about equal size.

    ValueError when there are fewer products (or groups) than folds.
    """
    products = product_labels(dataset)
    return folds_of(products if by == "product" else dataset_groups(dataset, products), k, seed)


def held_out(dataset: Dataset, share: float, by: Literal["product", "group"], seed: int) -> BoolArray:
    """`bool[n]`: which offers are held out, about `share` of them, by whole products or sibling groups."""
    if not 0 < share < 1:
        raise ValueError(f"expected a share between 0 and 1, got {share}")
    products = product_labels(dataset)
    labels = products if by == "product" else dataset_groups(dataset, products)
    unique, inverse, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(unique) < 2:
        raise ValueError(f"expected at least two {by}s to split by, got {len(unique)}")
    order = np.random.default_rng(seed).permutation(len(unique))
    # The boundary that comes nearest to the share, with something on either side.
    reached = np.cumsum(sizes[order])[:-1]
    last = int(np.argmin(np.abs(reached - share * len(labels))))
    out = np.zeros(len(unique), np.bool_)
    out[order[: last + 1]] = True
    return np.asarray(out[inverse])


def folds_of(labels: I64Array, k: int, seed: int) -> I64Array:
    """`i64[n]`: a fold for each row; rows with the same label (product, group) share theirs."""
    unique, inverse, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if not 2 <= k <= len(unique):
        raise ValueError(f"expected 2 to {len(unique)} folds, one label each at least, got {k}")
    fold_of = np.zeros(len(unique), np.int64)
    filled = np.zeros(k, np.int64)
    # Large ones first, of equal ones at random: so folds come out about equal.
    order = np.random.default_rng(seed).permutation(len(unique))
    for label in order[np.argsort(-sizes[order], kind="stable")]:
        fold = int(np.argmin(filled))
        fold_of[label] = fold
        filled[fold] += sizes[label]
    return np.asarray(fold_of[inverse])


def product_labels(dataset: Dataset) -> I64Array:
    """`i64[n]`: a number for each product; an offer whose product is unknown has one of its own.

    Where the table knows no products at all, offers that labelled pairs call the same are one.
    """
    if any(product is not None for product in dataset.products):
        return numbered(dataset.products)
    return components(len(dataset), list(dataset.pairs.values()))


def components(n: int, pairs: Sequence[Pairs]) -> I64Array:
    """`i64[n]`: offers connected by pairs that are the same product share a number, the others are alone."""
    left = np.concatenate([p.left[p.same] for p in pairs] or [np.empty(0, np.int64)])
    right = np.concatenate([p.right[p.same] for p in pairs] or [np.empty(0, np.int64)])
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def dataset_groups(dataset: Dataset, products: I64Array) -> I64Array:
    """`i64[n]`: the sibling group of each offer: by style where the table has styles, else by nearness."""
    if any(style is not None for style in dataset.styles):
        styles = numbered(dataset.styles)
        # A product's offers stay together even if only some of them name the style.
        joined = np.concatenate([products, styles + products.max() + 1])
        n = len(products)
        graph = coo_array((np.ones(n, np.int8), (joined[:n], joined[n:])), shape=(joined.max() + 1,) * 2)
        return np.asarray(connected_components(graph, directed=False)[1][products], np.int64)
    return sibling_groups(dataset.features, products)


def sibling_groups(
    features: Features, products: I64Array, *, siblings: int = SIBLINGS, largest: float = LARGEST_GROUP
) -> I64Array:
    """`i64[n]`: a group for each offer; products are joined to their nearest ones in the space of raw features.

    The closest pairs are joined first; a join that would make a group larger than `largest` (a share of the products)
    is left out, since chains of neighbours would otherwise connect everything. Compares all products with each other:
    products² · dim operations.
    """
    unique, inverse = np.unique(products, return_inverse=True)
    centres = _centres(features, inverse.reshape(-1), len(unique))
    cap = min(max(SMALLEST_CAP, round(largest * len(unique))), LARGEST_CAP)
    group = _Groups(len(unique))
    for one, other in _nearest(centres, min(siblings, len(unique) - 1)):
        group.join(one, other, cap)
    return np.array([group.of(row) for row in range(len(unique))], np.int64)[inverse.reshape(-1)]


class _Groups:
    """Disjoint sets with sizes."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))
        self._size = [1] * count

    def of(self, row: int) -> int:
        while self._parent[row] != row:
            self._parent[row] = self._parent[self._parent[row]]
            row = self._parent[row]
        return row

    def join(self, one: int, other: int, cap: int) -> None:
        a, b = sorted((self.of(one), self.of(other)))
        if a != b and self._size[a] + self._size[b] <= cap:
            self._parent[b] = a
            self._size[a] += self._size[b]


def _centres(features: Features, product: I64Array, count: int) -> F32Array:
    """`f32[count, dims]`: the mean of a product's normalised vectors, each modality of unit length."""
    blocks = []
    for vectors in (features.image, features.text):
        wide = unit_rows(vectors)
        sums = np.zeros((count, wide.shape[1]), np.float32)
        np.add.at(sums, product, wide)
        blocks.append(unit_rows(sums))
    return unit_rows(np.concatenate(blocks, axis=1))


def unit_rows(vectors: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> F32Array:
    """Rows of unit length, fp32; zeros stay zeros."""
    wide = vectors.astype(np.float32)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(np.divide(wide, norms, out=wide, where=norms > 0))


def _nearest(centres: F32Array, k: int) -> list[tuple[int, int]]:
    """Each product with its `k` nearest others, as pairs, the closest first."""
    pairs: list[tuple[float, int, int]] = []
    step = max(1, 2**24 // max(1, len(centres)))
    for start in range(0, len(centres), step):
        scores = centres[start : start + step] @ centres.T
        rows = np.arange(len(scores))
        scores[rows, start + rows] = -np.inf
        for row, near in enumerate(np.argpartition(-scores, max(0, k - 1), axis=1)[:, :k]):
            pairs += [(-float(scores[row, other]), start + row, int(other)) for other in near]
    return [(one, other) for _, one, other in sorted(pairs)]


def numbered(names: Sequence[str | None]) -> I64Array:
    """`i64[n]`: a number for each name; every None gets one of its own."""
    numbers: dict[str, int] = {}
    result = np.empty(len(names), np.int64)
    for row, name in enumerate(names):
        if name is not None:
            result[row] = numbers.setdefault(name, len(numbers))
    missing = np.array([name is None for name in names], np.bool_)
    result[missing] = len(numbers) + np.arange(int(missing.sum()))
    return result
