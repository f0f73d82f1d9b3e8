"""Keeping cells alike in size and true to what is in them, and codes wide enough, a little with every write.

A cell that has grown too large is split in two; one that has nearly emptied is dissolved into its neighbours; and
in turn every cell is looked over: an entry that is nearer to a neighbouring centroid moves there, and the centroid
moves to the mean of what stays. After a split the neighbours come first. Source of the local repair: Xu et al.,
SPFresh (SOSP 2023), section 4.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
import numpy.typing as npt

from index_store.cells.index import CellIndex
from index_store.cells.kmeans import means, unit
from index_store.cells.ragged import Numbers
from index_store.store import Vectors

_CELLS_PER_ROOT: Final = 4.0
_LARGE_CELL: Final = 250  # entries that a cell has on average at a million, and with more of them
_SPLIT_ABOVE: Final = 1.8  # times the size that a cell should have
_DISSOLVE_BELOW: Final = 0.125
_NEIGHBOURS: Final = 16
_ROWS_PER_LOOK: Final = 1024  # written entries for each cell that is looked over
_ROWS_PER_SPLIT: Final = 32
_ROWS_PER_RENEWAL: Final = 8
_ROUNDS: Final = 5
_LOOKED_AT: Final = 4096  # entries of a cell of twins, say: more would be a pause


def wanted_cells(entries: int) -> int:
    """Four times the square root up to a million, where few centroids are quick to compare with; from there on in
    proportion: since centroids are in groups, twice as many cells cost less than cells of twice the size."""
    return max(1, int(_CELLS_PER_ROOT * np.sqrt(entries)), entries // _LARGE_CELL)


class Balancer:
    """Changes cells in the writer's turn; a search in between sees every entry exactly once."""

    def __init__(self, index: CellIndex) -> None:
        self._index = index
        self._first: deque[int] = deque()
        self._next = 0
        self._written = 0
        self._leave: dict[int, int] = {}  # cells that cannot be split (twins), and the size at which to try again

    def step(self, written: int) -> None:
        """Some work, after so many entries were written or removed."""
        index = self._index
        if not len(index):
            return
        for cell in self._too_large()[: 1 + written // _ROWS_PER_SPLIT]:
            self._split(cell)
        if index.scales.due(len(index)):
            index.widen()
        if index.scales.former is not None:
            index.renew(1 + written // _ROWS_PER_RENEWAL)
        self._written += written
        while self._written >= _ROWS_PER_LOOK:
            self._written -= _ROWS_PER_LOOK
            self._look_over()

    def settle(self) -> None:
        """All splits that are due and one look at every cell, at once: for an index that is not in use yet."""
        self._split_all()
        self._first.clear()
        for _ in range(len(self._index.centroids)):
            self._look_over()
        # Entries that moved have made other cells too large.
        self._split_all()

    def _wanted(self) -> float:
        return len(self._index) / wanted_cells(len(self._index))

    def _too_large(self) -> list[int]:
        size = self._index.lists.alive
        large = np.flatnonzero(size > _SPLIT_ABOVE * self._wanted())
        by_size: list[int] = large[np.argsort(-size[large])].tolist()
        return [cell for cell in by_size if size[cell] >= self._leave.get(cell, 0)]

    def _split_all(self) -> None:
        while cells := self._too_large():
            for cell in cells:
                self._split(cell)

    def _split(self, cell: int) -> None:
        index = self._index
        slots = index.lists.slots_in(cell)
        vectors = index.entries.exact(slots)
        far = int((vectors @ vectors[0]).argmin())
        pair = unit(vectors[[far, int((vectors @ vectors[far]).argmin())]])
        total = vectors.sum(axis=0)
        for _ in range(_ROUNDS):
            side = (vectors @ (pair[1] - pair[0]) > 0).astype(np.int64)
            pair = _halved(vectors, side, total)
        if _smaller(side) < len(side) // 8 + 1:
            # A few lie apart and the rest together: halves are better than leaving the rest as it is.
            along = vectors @ (pair[1] - pair[0])
            side = (along > np.median(along)).astype(np.int64)
            pair = _halved(vectors, side, total)
        if _smaller(side) < len(side) // 8 + 1:
            self._leave[cell] = 2 * len(slots)
            return
        self._leave.pop(cell, None)
        neighbours = self._neighbours(cell)
        index.entries.files.centroids.reserve(len(index.centroids) + 1)  # what can fail comes first
        index.centroids.replace(np.array([cell]), pair[:1])
        new = index.centroids.append(pair[1], beside=cell)
        index.lists.add_cells(1)
        index.scales.add_cell()
        index.reassign(slots[side == 1], np.full(int(side.sum()), new))
        index.keep_centroids(np.array([cell, new]))
        self._first.extend(neighbours.tolist())

    def _look_over(self) -> None:
        index = self._index
        cell = self._first.popleft() if self._first else self._next
        if cell >= len(index.centroids):
            cell = 0
        self._next = cell + 1
        slots = index.lists.slots_in(cell)[:_LOOKED_AT]
        others = self._neighbours(cell)
        if not len(others):
            return
        vectors = index.entries.exact(slots)
        scores = vectors @ index.centroids.rows[others].T
        best = others[scores.argmax(axis=1)]
        if len(slots) < _DISSOLVE_BELOW * self._wanted():
            index.reassign(slots, best)
            self._drop(cell)
            return
        leave = scores.max(axis=1) > vectors @ index.centroids.rows[cell]
        index.reassign(slots[leave], best[leave])
        if not leave.all():
            stay = np.zeros(int((~leave).sum()), np.int64)
            at = np.array([cell])
            index.centroids.replace(at, means(vectors[~leave], stay, 1, index.centroids.rows[at]))
            index.keep_centroids(at)

    def _drop(self, cell: int) -> None:
        """Forget an empty cell; the last one takes its number."""
        index = self._index
        last = len(index.centroids) - 1
        index.entries.cells[index.lists.slots_in(last)] = cell
        index.lists.drop_last_into(cell)
        index.scales.drop_last_into(cell)
        index.centroids.drop_last_into(cell)
        self._leave.pop(cell, None)
        if last in self._leave:
            self._leave[cell] = self._leave.pop(last)
        if cell < last:
            index.keep_centroids(np.array([cell]))
        index.keep_head()

    def _neighbours(self, cell: int) -> Numbers:
        """The nearest other cells; with many, a far one now and then missing."""
        cells, _ = self._index.centroids.ranked(self._index.centroids.rows[[cell]], _NEIGHBOURS + 1)
        near = cells[0]
        result: Numbers = near[near != cell]
        return result


def _halved(vectors: Vectors, side: Numbers, total: npt.NDArray[np.float32]) -> Vectors:
    """f32[2, dim]: centroids of the vectors of side 0 and 1; total: the sum of all."""
    second = side.astype(np.float32) @ vectors
    return unit(np.stack([total - second, second]))


def _smaller(side: Numbers) -> int:
    return int(min(side.sum(), len(side) - side.sum()))
