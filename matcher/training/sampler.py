"""Batches drawn by product: all offers of a drawn product stand in the same batch, so that positives are dense (paper).

With groups, the products of a sibling group are drawn together too: near twins become each other's negatives.
"""

from collections.abc import Iterator

import numpy as np

from matcher.arrays import BoolArray, I64Array


class ProductBatches:
    """An endless supply of batches, reproducible by `seed`; one epoch shows every offer exactly once.

    `products` i64[n]; `size`: offers in a batch, at most (a product larger than that is a batch of its own);
    `groups` i64[n], optional: what is drawn together, each a union of products.
    """

    def __init__(self, products: I64Array, size: int, seed: int, groups: I64Array | None = None) -> None:
        if size < 2:
            raise ValueError(f"expected a batch size of at least 2 offers, got {size}")
        self._size = size
        self._random = np.random.default_rng(seed)
        self._products = _members(products)
        first = np.array([rows[0] for rows in self._products], np.int64)
        self._units = _members(np.arange(len(first)) if groups is None else groups[first])

    def epoch(self) -> Iterator[I64Array]:
        """The rows of each batch, products in random order and never divided."""
        batch: list[I64Array] = []
        count = 0
        for product in self._drawn():
            rows = self._products[product]
            if count and count + len(rows) > self._size:
                yield np.concatenate(batch)
                batch, count = [], 0
            batch.append(rows)
            count += len(rows)
        if batch:
            yield np.concatenate(batch)

    def _drawn(self) -> Iterator[int]:
        for unit in self._random.permutation(len(self._units)):
            yield from self._random.permutation(self._units[unit]).tolist()


def has_partner(products: I64Array, sellers: I64Array | None = None) -> BoolArray:
    """bool[n]: which offers have a positive; with `sellers` (negative: unknown), one of another seller.

    The others are the paper's "lone negatives".
    """
    _, product, sizes = np.unique(products, return_inverse=True, return_counts=True)
    partners = sizes[product] - 1
    if sellers is not None:
        known = sellers >= 0
        keys = np.stack([product, sellers], axis=1)
        _, own, own_sizes = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        partners = partners - np.where(known, own_sizes[own.reshape(-1)] - 1, 0)
    alone: BoolArray = partners > 0
    return alone


def _members(labels: I64Array) -> list[I64Array]:
    """The rows of each label, in ascending order of the label."""
    order = np.argsort(labels, kind="stable")
    _, starts = np.unique(labels[order], return_index=True)
    return np.split(order, starts[1:])
