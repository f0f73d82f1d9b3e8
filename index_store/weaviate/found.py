"""Entries as the directory knows them, and which keys are among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from index_store.store import BlockCodes, Keys, SellerCodes

Halves = npt.NDArray[np.float16]
Objects = list[tuple[int, int]]
"""Objects of the cluster by (key, generation)."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Entries by rising key: generation i64[n], sellers and blocks i32[n], vectors f16[n, dim]; keys that are unknown
    are left out."""

    keys: Keys
    generations: npt.NDArray[np.int64]
    sellers: SellerCodes
    blocks: BlockCodes
    vectors: Halves

    def part(self, rows: slice | npt.NDArray[np.int64]) -> Found:
        """Some of them."""
        return Found(self.keys[rows], self.generations[rows], self.sellers[rows], self.blocks[rows], self.vectors[rows])

    def parts(self, size: int) -> Iterator[Found]:
        """All of them, at most `size` at a time."""
        return (self.part(slice(start, start + size)) for start in range(0, len(self.keys), size))


def contains(ordered: Keys, keys: Keys) -> npt.NDArray[np.bool_]:
    """bool[n]: is the key in the ordered array?"""
    if not len(ordered):
        return np.zeros(len(keys), bool)
    there: npt.NDArray[np.bool_] = ordered[np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)] == keys
    return there
