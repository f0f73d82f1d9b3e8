"""Centroids for all cells of an index that is filled at once, in two levels: groups first, then cells in each group.

Comparing every vector of a sample with every centroid would cost a hundred times as much at ten million entries; so
the last rounds, which move all centroids together, look as a writer does, into the nearest groups only.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from index_store.cells.centroids import Centroids
from index_store.cells.kmeans import moved, plain_kmeans
from index_store.store import Vectors

_TWO_LEVELS_FROM: Final = 1024  # cells
_LAST_ROUNDS: Final = 4
_STEP: Final = 4096


def trained(sample: Vectors, count: int, seed: int) -> Vectors:
    """f32[count, dim]: centroids of a sample f32[n ≥ count, dim]."""
    if count < _TWO_LEVELS_FROM:
        return plain_kmeans(sample, count, seed)
    random = np.random.default_rng(seed)
    groups = plain_kmeans(sample, int(np.sqrt(count)), seed)
    group_of = _nearest(sample, Centroids(groups))
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
        centroids = moved(sample, _nearest(sample, Centroids(centroids)), centroids, random)
    return centroids


def _nearest(sample: Vectors, centroids: Centroids) -> npt.NDArray[np.int64]:
    return np.concatenate([centroids.nearest(sample[at : at + _STEP]) for at in range(0, len(sample), _STEP)])
