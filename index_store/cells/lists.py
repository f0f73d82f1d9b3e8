"""The cells: compressed vectors, each cell in one stretch of memory, the brandless ones first.

A search for one brand then reads the front of many cells, where every entry is allowed, and the rest of few. The
stretches have little room to spare; a cell that outgrows its own moves to another, and what is left behind goes
back to the system.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from index_store.cells.arrays import MemoryRows
from index_store.cells.codes import Codes
from index_store.cells.ragged import Numbers, owners, ranks, stretches
from index_store.cells.segments import Segments

_GRAIN: Final = 8  # rows by which a stretch grows
_SLACK: Final = 12  # a new stretch has a twelfth more rows than it needs


class CellLists:
    """Rows of codes by cell. An entry is known by its slot, a number that its owner gave it.

    start, room, size, plain: i64[cells], of each cell its first row, the length of its stretch, its number of
    entries, and how many of these, the first ones, are brandless
    """

    def __init__(self, dim: int) -> None:
        self._codes = MemoryRows(np.uint8, dim)
        self._slots = MemoryRows(np.uint32)  # by row
        self._rows = MemoryRows(np.uint32)  # by slot
        self._segments = Segments()
        self._dim = dim
        self.start, self.room, self.size, self.plain = (np.zeros(0, np.int64) for _ in range(4))

    def __len__(self) -> int:
        return int(self.size.sum())

    @property
    def cells(self) -> int:
        """Number of cells."""
        return len(self.start)

    @property
    def codes(self) -> Codes:
        """u8[capacity, dim]; another array after each write."""
        return self._codes.rows

    @property
    def slots(self) -> npt.NDArray[np.uint32]:
        """u32[capacity]: the slot in each row; another array after each write."""
        return self._slots.rows

    def rows_of(self, slots: Numbers) -> Numbers:
        """The row of each slot."""
        return self._rows.rows[slots].astype(np.int64)

    def slots_in(self, cell: int) -> Numbers:
        """The entries of a cell."""
        start = int(self.start[cell])
        return self._slots.rows[start : start + int(self.size[cell])].astype(np.int64)

    def nbytes(self) -> int:
        """Bytes that are held from the system: all stretches, and the bookkeeping."""
        held = self._segments.end - self._segments.free_rows()
        return held * (self._dim + 4) + 4 * len(self) + 4 * self.start.nbytes

    def add_cells(self, count: int) -> None:
        """More cells, empty, with the next numbers."""
        none = np.zeros(count, np.int64)
        self.start, self.room = np.append(self.start, none), np.append(self.room, none)
        self.size, self.plain = np.append(self.size, none), np.append(self.plain, none)

    def drop_last_into(self, cell: int) -> None:
        """Forget a cell that is empty; the last one takes its number."""
        self._give(int(self.start[cell]), int(self.room[cell]))
        for values in (self.start, self.room, self.size, self.plain):
            values[cell] = values[-1]
        self.start, self.room = self.start[:-1].copy(), self.room[:-1].copy()
        self.size, self.plain = self.size[:-1].copy(), self.plain[:-1].copy()

    def rename(self, old: Numbers, new: Numbers) -> None:
        """The entries of slots `old` now have the slots `new`."""
        rows = self._rows.rows[old]
        self._slots.rows[rows] = new
        self._rows.rows[new] = rows

    def append(self, cells: Numbers, codes: Codes, slots: Numbers, branded: npt.NDArray[np.bool_]) -> None:
        """Add entries that are in no cell."""
        if not len(cells):
            return
        self._rows.reserve(int(slots.max()) + 1)
        order = np.lexsort((branded, cells))
        cells, branded = cells[order], branded[order]
        touched, group, counts = np.unique(cells, return_inverse=True, return_counts=True)
        fresh = counts - np.bincount(group, weights=branded, minlength=len(touched)).astype(np.int64)
        needed = self.size[touched] + counts
        full = needed > self.room[touched]
        for cell, rows in zip(touched[full].tolist(), needed[full].tolist(), strict=True):
            self._move_stretch(cell, rows)
        start, size, plain = self.start[touched], self.size[touched], self.plain[touched]
        # Branded entries make room for new brandless ones; the new branded ones follow them.
        out = np.minimum(fresh, size - plain)
        back = np.maximum(size, plain + fresh)
        self._move(stretches(start + plain, out), stretches(start + back, out))
        places = np.where(branded, (start + back + out - fresh)[group], (start + plain)[group]) + ranks(cells)
        self._codes.rows[places] = codes[order]
        self._slots.rows[places] = slots[order]
        self._rows.rows[slots[order]] = places
        self.size[touched] += counts
        self.plain[touched] += fresh

    def overwrite(self, slots: Numbers, codes: Codes) -> None:
        """Give entries other codes where they are."""
        self._codes.rows[self._rows.rows[slots]] = codes

    def remove(self, slots: Numbers, cells: Numbers) -> None:
        """Take out the entries of these slots, which are in these cells."""
        if not len(slots):
            return
        rows = self._rows.rows[slots].astype(np.int64)
        order = np.argsort(rows)
        rows, cells = rows[order], cells[order]
        touched, group = np.unique(cells, return_inverse=True)
        start, size, plain = self.start[touched], self.size[touched], self.plain[touched]
        front = rows < (start + plain)[group]
        fewer = np.bincount(group, weights=front, minlength=len(touched)).astype(np.int64)
        less = np.bincount(group, minlength=len(touched))
        self._fill(start + plain - fewer, start + plain, rows[front], group[front])
        # Behind the brandless ones there is a gap now; it is filled as if its rows were removed as well.
        gap = stretches(start + plain - fewer, fewer)
        self._fill(
            start + size - less,
            start + size,
            np.concatenate([gap, rows[~front]]),
            np.concatenate([owners(fewer), group[~front]]),
        )
        self.plain[touched] = plain - fewer
        self.size[touched] = size - less
        left = self.size[touched]
        loose = self.room[touched] > left + left // 2 + 2 * _GRAIN
        for cell in touched[loose].tolist():
            self._move_stretch(cell, int(self.size[cell]))

    def close(self) -> None:
        """Give all memory back."""
        for rows in (self._codes, self._slots, self._rows):
            rows.close()

    def _fill(self, low: Numbers, high: Numbers, gone: Numbers, group: Numbers) -> None:
        """Move what is alive in the rows low…high of each group into the rows before them that are gone."""
        tail = stretches(low, high - low)
        holes = np.sort(gone[gone < low[group]])
        movers = tail[~np.isin(tail, gone)]
        # Stretches do not overlap, so both are in the same order of groups only if sorted by row.
        self._move(np.sort(movers), holes)

    def _move(self, rows: Numbers, to: Numbers) -> None:
        self._codes.rows[to] = self._codes.rows[rows]
        slots = self._slots.rows[rows]
        self._slots.rows[to] = slots
        self._rows.rows[slots] = to

    def _move_stretch(self, cell: int, rows: int) -> None:
        """Another stretch for a cell, with room for `rows` entries and some."""
        room = -(-(rows + rows // _SLACK) // _GRAIN) * _GRAIN
        start = self._segments.take(room)
        if self._segments.end > len(self._slots.rows):
            self._codes.reserve(self._segments.end)
            self._slots.reserve(self._segments.end)
        before, size = int(self.start[cell]), int(self.size[cell])
        self._move(np.arange(before, before + size), np.arange(start, start + size))
        self._give(before, int(self.room[cell]))
        self.start[cell], self.room[cell] = start, room

    def _give(self, start: int, rows: int) -> None:
        if rows:
            self._segments.give(start, rows)
            self._codes.release(start, rows)
            self._slots.release(start, rows)
