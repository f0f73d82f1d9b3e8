"""The centroids of cells: which cell a vector belongs to, and which cells a query looks into.

Cells are grouped, so that a vector is compared with the groups and then with the cells of the nearest few groups only;
with these in one byte a dimension, since at ten million entries the centroids alone would fill no cache.
"""

from __future__ import annotations

from typing import Final

import faiss
import numpy as np
import numpy.typing as npt

from index_store.cells.codes import Quantiser
from index_store.cells.kmeans import plain_kmeans
from index_store.cells.ragged import Numbers, stretches
from index_store.cells.scan import Scanner
from index_store.store import Vectors

CellIds = npt.NDArray[np.int64]

_NEAR_GROUPS: Final = 3  # that a writer looks into
_FAR_GROUPS: Final = 10  # and a search
_MANY: Final = 256  # vectors; for fewer an order does not pay
_SLACK: Final = 8  # a group has room for an eighth more cells
_LARGE_GROUP: Final = 64  # cells that a group has on average at most: more groups are cheaper than larger ones
_GROUPED_FROM: Final = 512  # with fewer cells, comparing with all of them is quicker


class Centroids:
    """Unit vectors f32[count, dim] in an order that is the cells' numbers."""

    def __init__(self, rows: Vectors) -> None:
        self._room = np.ascontiguousarray(rows)  # `rows` is the front of it
        self.rows = self._room
        self._scanner = Scanner(rows.shape[1])
        self._groups: Vectors = rows[:0]
        self._group_of = np.zeros(0, np.int64)
        self._by_group: _ByGroup | None = None
        self._grouped_at = 0
        self._regroup()

    def __len__(self) -> int:
        return len(self.rows)

    def nbytes(self) -> int:
        """Bytes of the centroids, and of their codes by group."""
        return self._room.nbytes + (self.rows.size * (_SLACK + 1) // _SLACK if len(self._groups) else 0)

    def nearest(self, vectors: Vectors) -> CellIds:
        """i64[n]: the cell of each vector; with many cells now and then the second best."""
        if not len(self._groups):
            return self.nearest_exactly(vectors)
        return self._in_groups(vectors, _NEAR_GROUPS, 1)[0][:, 0]

    def nearest_exactly(self, vectors: Vectors) -> CellIds:
        """i64[n]: the cell of each vector."""
        result: CellIds = (vectors @ self.rows.T).argmax(axis=1)
        return result

    def ranked(self, queries: Vectors, probes: int) -> tuple[CellIds, Vectors]:
        """i64[n, min(probes, count)]: the nearest cells, nearest first; with many, a far one now and then missing. And
        by how much each is less similar than the nearest, f32 of the same shape."""
        groups = _FAR_GROUPS + 2 * probes * len(self._groups) // len(self.rows)
        if groups < len(self._groups) // 2:
            cells, scores = self._in_groups(queries, groups, probes)
            if (cells >= 0).all():
                return cells, scores[:, :1] - scores
        return self.ranked_exactly(queries, probes)

    def ranked_exactly(self, queries: Vectors, probes: int) -> tuple[CellIds, Vectors]:
        """The same without one missing."""
        scores, cells = faiss.knn(queries, self.rows, min(probes, len(self.rows)), metric=faiss.METRIC_INNER_PRODUCT)
        return cells, scores[:, :1] - scores

    def replace(self, cells: CellIds, rows: Vectors) -> None:
        """Move centroids."""
        self.rows[cells] = rows
        if self._by_group is not None and not self._by_group.replace(cells, rows):
            self._by_group = None

    def append(self, row: npt.NDArray[np.float32], beside: int) -> int:
        """One more, in the group of the cell `beside`; returns its number."""
        cell = len(self.rows)
        if cell == len(self._room):
            self._room = np.concatenate([self.rows, np.empty((1 + cell // 16, len(row)), np.float32)])
        self._room[cell] = row
        self.rows = self._room[: cell + 1]
        if len(self._groups):
            group = int(self._group_of[beside])
            self._group_of = np.append(self._group_of, group)
            if self._by_group is not None and not self._by_group.append(row, group):
                self._by_group = None
        if len(self.rows) >= max(_GROUPED_FROM, self._grouped_at + self._grouped_at // 4):
            self._regroup()
        return cell

    def drop_last_into(self, cell: int) -> None:
        """Forget a cell; the last one takes its number."""
        if self._by_group is not None:
            self._by_group.drop_last_into(cell, int(self._group_of[cell]))
        self.rows[cell] = self.rows[-1]
        self.rows = self._room[: len(self.rows) - 1]
        if len(self._groups):
            self._group_of[cell] = self._group_of[-1]
            self._group_of = self._group_of[:-1].copy()

    def _in_groups(self, vectors: Vectors, groups: int, best: int) -> tuple[CellIds, Vectors]:
        """i64[n, best]: the best cells in the nearest groups of each vector, -1 where these have no more; and how
        similar they are, f32[n, best], but for a number that is the same for all cells."""
        if self._by_group is None:
            self._by_group = _ByGroup(self.rows, self._group_of, len(self._groups))
        by_group = self._by_group
        groups = min(groups, len(self._groups))
        scores = vectors @ self._groups.T
        near = np.argpartition(scores, len(self._groups) - groups, axis=1)[:, -groups:]
        if len(vectors) < _MANY:
            return self._in_these(by_group, vectors, near, best)
        # One behind the other, vectors that look into the same groups find these in the processor's caches.
        order = np.argsort(scores.argmax(axis=1), kind="stable")
        cells, similar = np.empty((len(vectors), best), np.int64), np.empty((len(vectors), best), np.float32)
        cells[order], similar[order] = self._in_these(by_group, vectors[order], near[order], best)
        return cells, similar

    def _in_these(self, by_group: _ByGroup, vectors: Vectors, near: Numbers, best: int) -> tuple[CellIds, Vectors]:
        starts, sizes = by_group.starts[near], by_group.sizes[near]
        rough, steps = by_group.quantiser.queries(vectors)
        scores, places = self._scanner.nearest(rough, by_group.codes, starts, sizes, best)
        return np.where(places >= 0, by_group.cells[places], -1), scores / (steps * by_group.quantiser.scale)

    def _regroup(self) -> None:
        self._by_group = None
        self._grouped_at = len(self.rows)
        self._groups = self.rows[:0]
        if len(self.rows) < _GROUPED_FROM:
            return
        groups = max(int(np.sqrt(len(self.rows))), len(self.rows) // _LARGE_GROUP)
        self._groups = plain_kmeans(self.rows, groups, seed=len(self.rows))
        self._group_of = (self.rows @ self._groups.T).argmax(axis=1)


class _ByGroup:
    """Codes of centroids, those of a group one behind the other, with some room for more: starts, sizes and room by
    group; codes and cells by place, and places by cell."""

    def __init__(self, rows: Vectors, group_of: Numbers, groups: int) -> None:
        self.sizes = np.bincount(group_of, minlength=groups)
        self.room = self.sizes + self.sizes // _SLACK + 1
        self.starts = np.cumsum(self.room) - self.room
        order = np.argsort(group_of, kind="stable")
        places = stretches(self.starts, self.sizes)
        self.quantiser = Quantiser.of(rows)
        self.codes = np.zeros((int(self.room.sum()), rows.shape[1]), np.uint8)
        self.codes[places] = self.quantiser.encode(rows[order])
        self.cells = np.full(len(self.codes), -1, np.int64)
        self.cells[places] = order
        self.places = np.empty_like(order)
        self.places[order] = places

    def append(self, row: npt.NDArray[np.float32], group: int) -> bool:
        """One more, with the next number; False if its group has no room, or codes no range for it."""
        if self.sizes[group] == self.room[group] or not self._in_range(row[None]):
            return False
        place = int(self.starts[group] + self.sizes[group])
        self.sizes[group] += 1
        self.codes[place], self.cells[place] = self.quantiser.encode(row[None])[0], len(self.places)
        self.places = np.append(self.places, place)
        return True

    def replace(self, cells: CellIds, rows: Vectors) -> bool:
        """Move centroids; False if codes have no range for them."""
        if not self._in_range(rows):
            return False
        self.codes[self.places[cells]] = self.quantiser.encode(rows)
        return True

    def drop_last_into(self, cell: int, group: int) -> None:
        """Forget a cell of this group; the last one takes its number."""
        hole, end = int(self.places[cell]), int(self.starts[group] + self.sizes[group] - 1)
        self.codes[hole], self.cells[hole] = self.codes[end], self.cells[end]
        self.places[self.cells[hole]] = hole
        self.sizes[group] -= 1
        last = len(self.places) - 1
        self.cells[self.places[last]] = cell
        self.places[cell] = self.places[last]
        self.places = self.places[:last]

    def _in_range(self, rows: Vectors) -> bool:
        return self.quantiser.largest(rows) <= self.quantiser.reach
