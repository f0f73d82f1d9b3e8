"""The centroids of cells: which cell a vector belongs to, and which cells a query looks into.

Cells are grouped, so that a writer compares with the groups and then with the cells of the nearest few groups only.
"""

from __future__ import annotations

from typing import Final

import faiss
import numpy as np
import numpy.typing as npt

from index_store.cells.kmeans import plain_kmeans
from index_store.store import Vectors

CellIds = npt.NDArray[np.int64]

_NEAR_GROUPS: Final = 8
_GROUPED_FROM: Final = 512  # with fewer cells, comparing with all of them is quicker


class Centroids:
    """Unit vectors f32[count, dim] in an order that is the cells' numbers."""

    def __init__(self, rows: Vectors) -> None:
        self.rows = np.ascontiguousarray(rows)
        self._groups: Vectors = rows[:0]
        self._group_of = np.zeros(0, np.int64)
        self._members: list[CellIds] = []
        self._near: list[Vectors] = []  # of each group, the centroids as columns: small products are quicker so
        self._grouped_at = 0
        self._regroup()

    def __len__(self) -> int:
        return len(self.rows)

    def nbytes(self) -> int:
        """Bytes of the centroids, and of the copies by group."""
        return self.rows.nbytes + sum(rows.nbytes for rows in self._near)

    def nearest(self, vectors: Vectors) -> CellIds:
        """i64[n]: the cell of each vector; with many cells now and then the second best."""
        if not self._members:
            return self.nearest_exactly(vectors)
        near = min(_NEAR_GROUPS, len(self._groups))
        scores = vectors @ self._groups.T
        groups = np.argpartition(scores, len(self._groups) - near, axis=1)[:, -near:]
        pairs = groups.ravel()
        order = np.argsort(pairs, kind="stable")
        ends = np.cumsum(np.bincount(pairs, minlength=len(self._groups)))
        best = np.full(groups.size, -np.inf, np.float32)
        cells = np.zeros(groups.size, np.int64)
        for group, end in enumerate(ends.tolist()):
            start = int(ends[group - 1]) if group else 0
            if start == end or not len(self._members[group]):
                continue
            at = order[start:end]
            inner = vectors[at // near] @ self._near[group]
            chosen = inner.argmax(axis=1)
            best[at] = inner[np.arange(len(at)), chosen]
            cells[at] = self._members[group][chosen]
        first = best.reshape(groups.shape).argmax(axis=1)
        result: CellIds = cells.reshape(groups.shape)[np.arange(len(vectors)), first]
        return result

    def nearest_exactly(self, vectors: Vectors) -> CellIds:
        """i64[n]: the cell of each vector."""
        result: CellIds = (vectors @ self.rows.T).argmax(axis=1)
        return result

    def ranked(self, queries: Vectors, probes: int) -> CellIds:
        """i64[n, min(probes, count)]: the nearest cells, nearest first."""
        _, cells = faiss.knn(queries, self.rows, min(probes, len(self.rows)), metric=faiss.METRIC_INNER_PRODUCT)
        result: CellIds = cells
        return result

    def replace(self, cells: CellIds, rows: Vectors) -> None:
        """Move centroids."""
        self.rows[cells] = rows
        if self._members:
            for group in np.unique(self._group_of[cells]).tolist():
                self._near[group] = self._columns(self._members[group])

    def append(self, row: npt.NDArray[np.float32], beside: int) -> int:
        """One more, in the group of the cell `beside`; returns its number."""
        cell = len(self.rows)
        self.rows = np.concatenate([self.rows, row[None]])
        if self._members:
            group = int(self._group_of[beside])
            self._group_of = np.append(self._group_of, group)
            self._members[group] = np.append(self._members[group], cell)
            self._near[group] = self._columns(self._members[group])
        if len(self.rows) >= max(_GROUPED_FROM, self._grouped_at + self._grouped_at // 4):
            self._regroup()
        return cell

    def drop_last_into(self, cell: int) -> None:
        """Forget a cell; the last one takes its number."""
        last = len(self.rows) - 1
        self.rows[cell] = self.rows[last]
        self.rows = self.rows[:last].copy()
        if not self._members:
            return
        changed = {int(self._group_of[cell]), int(self._group_of[last])}
        self._group_of[cell] = self._group_of[last]
        self._group_of = self._group_of[:last].copy()
        for group in changed:
            self._members[group] = np.flatnonzero(self._group_of == group)
            self._near[group] = self._columns(self._members[group])

    def _columns(self, members: CellIds) -> Vectors:
        return np.ascontiguousarray(self.rows[members].T)

    def _regroup(self) -> None:
        self._members, self._near = [], []
        self._grouped_at = len(self.rows)
        if len(self.rows) < _GROUPED_FROM:
            return
        count = int(np.sqrt(len(self.rows)))
        self._groups = plain_kmeans(self.rows, count, seed=len(self.rows))
        self._group_of = (self.rows @ self._groups.T).argmax(axis=1)
        self._members = [np.flatnonzero(self._group_of == group) for group in range(count)]
        self._near = [self._columns(members) for members in self._members]
