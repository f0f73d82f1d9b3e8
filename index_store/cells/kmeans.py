"""Spherical k-means, whole or in small steps: where the centroids of cells come from.

Centroids have unit length, and a vector belongs to the one with which its inner product is largest. Source: Dhillon
and Modha, Concept decompositions for large sparse text data using clustering, Machine Learning 42 (2001).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from index_store.store import Vectors

_ROUNDS: Final = 8
_STEP: Final = 1024


def unit(vectors: Vectors) -> Vectors:
    """Vectors f32[n, dim] of length one; zero stays zero."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    result: Vectors = (vectors / np.maximum(lengths, 1e-30)[:, None]).astype(np.float32)
    return result


def means(vectors: Vectors, cells: npt.NDArray[np.int64], count: int, empty: Vectors) -> Vectors:
    """Unit means f32[count, dim] of the vectors of each cell; an empty cell keeps its row of `empty`."""
    order = np.argsort(cells, kind="stable")
    sizes = np.bincount(cells, minlength=count)
    filled = np.flatnonzero(sizes)
    result = empty.copy()
    if len(filled):
        starts = (np.cumsum(sizes) - sizes)[filled]
        result[filled] = unit(np.add.reduceat(vectors[order], starts, axis=0).astype(np.float32))
    return result


def moved(sample: Vectors, cells: npt.NDArray[np.int64], centroids: Vectors, random: np.random.Generator) -> Vectors:
    """Centroids at the means of their vectors; one without vectors starts again at one of the sample."""
    empty = np.bincount(cells, minlength=len(centroids)) == 0
    result = means(sample, cells, len(centroids), centroids)
    if empty.any():
        result[empty] = unit(sample[random.integers(0, len(sample), int(empty.sum()))])
    return result


def plain_kmeans(sample: Vectors, count: int, seed: int) -> Vectors:
    """f32[count, dim]: centroids of a sample f32[n ≥ count, dim]."""
    return _last(kmeans_steps(sample, count, seed))


def kmeans_steps(sample: Vectors, count: int, seed: int) -> Iterator[Vectors | None]:
    """The same in steps of some milliseconds; the last one yields the centroids, the others None."""
    random = np.random.default_rng(seed)
    centroids = unit(sample[random.choice(len(sample), count, replace=False)])
    for _ in range(_ROUNDS):
        for step in _improved(sample, centroids, random):
            if step is None:
                yield None
            else:
                centroids = step
    yield centroids


def _improved(sample: Vectors, centroids: Vectors, random: np.random.Generator) -> Iterator[Vectors | None]:
    """One round of Lloyd's."""
    cells = np.empty(len(sample), np.int64)
    for start in range(0, len(sample), _STEP):
        part = slice(start, start + _STEP)
        cells[part] = (sample[part] @ centroids.T).argmax(axis=1)
        yield None
    yield moved(sample, cells, centroids, random)


def _last(steps: Iterator[Vectors | None]) -> Vectors:
    *_, result = steps
    assert result is not None
    return result
