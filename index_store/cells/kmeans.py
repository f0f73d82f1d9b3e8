"""Where the centroids of cells come from: spherical k-means, whole or in small steps.

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
_LAST_ROUNDS: Final = 4
_STEP: Final = 1024
_TWO_LEVELS_FROM: Final = 1024  # clusters


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


def kmeans(sample: Vectors, count: int, seed: int) -> Vectors:
    """f32[count, dim]: centroids of a sample f32[n ≥ count, dim].

    Many are found in two levels, groups first, and then moved together: a tenth of the work, for cells as good.
    """
    if count < _TWO_LEVELS_FROM:
        return plain_kmeans(sample, count, seed)
    random = np.random.default_rng(seed)
    groups = plain_kmeans(sample, int(np.sqrt(count)), seed)
    group_of = _nearest(sample, groups)
    order = np.argsort(group_of, kind="stable")
    ends = np.cumsum(np.bincount(group_of, minlength=len(groups)))
    # Shares of `count` in proportion to the vectors, rounded so that they add up.
    shares = np.diff(np.r_[0, ends * count // len(sample)])
    parts = [
        plain_kmeans(sample[order[end - size : end]], int(share), seed)
        for end, size, share in zip(ends.tolist(), np.diff(np.r_[0, ends]).tolist(), shares.tolist(), strict=True)
        if share
    ]
    centroids = np.concatenate(parts)
    for _ in range(_LAST_ROUNDS):
        centroids = _last(_improved(sample, centroids, random))
    return centroids


def plain_kmeans(sample: Vectors, count: int, seed: int) -> Vectors:
    """The same, in one level."""
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
    """One round of Lloyd's; a centroid without vectors starts again at one of the sample."""
    cells = np.empty(len(sample), np.int64)
    for start in range(0, len(sample), _STEP):
        part = slice(start, start + _STEP)
        cells[part] = (sample[part] @ centroids.T).argmax(axis=1)
        yield None
    empty = np.bincount(cells, minlength=len(centroids)) == 0
    result = means(sample, cells, len(centroids), centroids)
    if empty.any():
        result[empty] = unit(sample[random.integers(0, len(sample), int(empty.sum()))])
    yield result


def _nearest(sample: Vectors, centroids: Vectors) -> npt.NDArray[np.int64]:
    parts = [sample[at : at + _STEP] @ centroids.T for at in range(0, len(sample), _STEP)]
    return np.concatenate([part.argmax(axis=1) for part in parts])


def _last(steps: Iterator[Vectors | None]) -> Vectors:
    *_, result = steps
    assert result is not None
    return result
