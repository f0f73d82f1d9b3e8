"""The cells: compressed vectors, each cell in one stretch of memory, in order of their blocks.

A stretch begins with the brandless entries, then come the others by block, then what was written since the cell was
last put in order. So a search for some blocks reads the brandless front of a cell, the runs of its blocks and the
short rest, and nothing else. What was removed stays as a dead row until then. A cell is put in order once a few of its
rows are new or dead; stretches have little room to spare, and one that a cell outgrows goes back to the system.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from index_store.cells.arrays import MemoryRows
from index_store.cells.codes import ZERO, Codes
from index_store.cells.ragged import Numbers, owners, stretches
from index_store.cells.segments import Segments
from index_store.store import NO_BLOCK, BlockCodes

_GRAIN: Final = 8  # rows by which a stretch grows
_SLACK: Final = 12  # a new stretch has a twelfth more rows than it needs
_LOOSE: Final = 12  # a cell is put in order once a twelfth of its rows, and some, are new or dead
_CELLS: Final = 64  # put in order at a time
_DEAD: Final = np.uint32(2**32 - 1)


class CellLists:
    """Rows of codes by cell. An entry is known by its slot, a number that its owner gave it.

    start, room, size, dead: i64[cells], of each cell its first row, the length of its stretch, and its number of rows
    with and of dead ones; plain, ordered: how many of the first rows are (or were) brandless, and in order
    """

    def __init__(self, dim: int) -> None:
        self._codes = MemoryRows(np.uint8, dim)
        self._slots = MemoryRows(np.uint32)  # by row
        self._blocks = MemoryRows(np.int32)  # by row
        self._rows = MemoryRows(np.uint32)  # by slot
        self._segments = Segments()
        self._dim = dim
        self.start, self.room, self.size, self.dead, self.plain, self.ordered = (
            np.zeros(0, np.int64) for _ in range(6)
        )

    def __len__(self) -> int:
        return int(self.alive.sum())

    @property
    def cells(self) -> int:
        """Number of cells."""
        return len(self.start)

    @property
    def alive(self) -> Numbers:
        """i64[cells]: entries of each cell."""
        return self.size - self.dead

    @property
    def codes(self) -> Codes:
        """u8[capacity, dim]; another array after each write."""
        return self._codes.rows

    def entries_at(self, rows: Numbers) -> tuple[Numbers, BlockCodes]:
        """Slots (-1 for a dead row) and blocks of rows, in their shape."""
        slots = self._slots.rows[rows]
        return np.where(slots == _DEAD, -1, slots.astype(np.int64)), self._blocks.rows[rows]

    def rows_of(self, slots: Numbers) -> Numbers:
        """The row of each slot."""
        return self._rows.rows[slots].astype(np.int64)

    def blocks_of(self, slots: Numbers) -> BlockCodes:
        """The block of each slot."""
        blocks: BlockCodes = self._blocks.rows[self._rows.rows[slots]]
        return blocks

    def slots_in(self, cell: int) -> Numbers:
        """The entries of a cell."""
        start = int(self.start[cell])
        slots = self._slots.rows[start : start + int(self.size[cell])]
        result: Numbers = slots[slots != _DEAD].astype(np.int64)
        return result

    def runs(self, cells: Numbers, blocks: BlockCodes) -> tuple[Numbers, Numbers]:
        """First row and length of the entries of these blocks (≥ 0) in the ordered part of these cells."""
        first = self.start[cells] + self.plain[cells]
        last = self.start[cells] + self.ordered[cells]
        begin = self._before(first, last, blocks)
        return begin, self._before(begin, last, blocks.astype(np.int64) + 1) - begin

    def nbytes(self) -> int:
        """Bytes that are held from the system: all stretches, and the bookkeeping."""
        held = self._segments.end - self._segments.free_rows()
        return held * (self._dim + 8) + 4 * len(self) + 6 * self.start.nbytes

    def add_cells(self, count: int) -> None:
        """More cells, empty, with the next numbers."""
        self._columns([np.append(values, np.zeros(count, np.int64)) for values in self._columns()])

    def drop_last_into(self, cell: int) -> None:
        """Forget a cell without entries; the last one takes its number."""
        self._give(int(self.start[cell]), int(self.room[cell]))
        for values in self._columns():
            values[cell] = values[-1]
        self._columns([values[:-1].copy() for values in self._columns()])

    def rename(self, old: Numbers, new: Numbers) -> None:
        """The entries of slots `old` now have the slots `new`."""
        rows = self._rows.rows[old]
        self._slots.rows[rows] = new
        self._rows.rows[new] = rows

    def fill(self, cells: Numbers, plain: Numbers, entries: Iterable[tuple[Codes, Numbers, BlockCodes]]) -> None:
        """Everything at once, in order of cells and within them of blocks, with slots 0 … n - 1.

        cells, plain: i64[cells], entries and brandless entries of each; the lists must be empty
        """
        self.expect(cells)
        self.size[:], self.plain[:], self.ordered[:] = cells, plain, cells
        self._rows.reserve(int(cells.sum()))
        rows, at = stretches(self.start, self.size), 0
        for codes, slots, blocks in entries:
            self._place(rows[at : at + len(slots)], codes, slots, blocks)
            at += len(slots)

    def expect(self, entries: Numbers) -> None:
        """Make room for so many entries in each cell (i64[cells]); the lists must be empty."""
        self.room[:] = _room(entries)
        for cell, room in enumerate(self.room.tolist()):
            self.start[cell] = self._segments.take(room)
        self._reserve()

    def append(self, cells: Numbers, codes: Codes, slots: Numbers, blocks: BlockCodes, *, tidy: bool = True) -> None:
        """Add entries that are in no cell; without tidy, call `tidy` soon."""
        if not len(cells):
            return
        self._rows.reserve(int(slots.max()) + 1)
        order = np.argsort(cells, kind="stable")
        counts = np.bincount(cells, minlength=self.cells)
        touched = np.flatnonzero(counts)
        counts = counts[touched]
        crowded = self.size[touched] + counts > self.room[touched]
        self._tidy(touched[crowded], counts[crowded])
        rows = stretches(self.start[touched] + self.size[touched], counts)
        self._place(rows, codes[order], slots[order], blocks[order])
        self.size[touched] += counts
        if tidy:
            self._tidy_loose(touched)

    def tidy(self) -> None:
        """Put all cells in order."""
        for start in range(0, self.cells, _CELLS):
            cells = np.arange(start, min(start + _CELLS, self.cells))
            self._tidy(cells, np.zeros(len(cells), np.int64))

    def overwrite(self, slots: Numbers, codes: Codes) -> None:
        """Give entries other codes where they are."""
        self._codes.rows[self._rows.rows[slots]] = codes

    def remove(self, slots: Numbers, cells: Numbers) -> None:
        """Take out the entries of these slots, which are in these cells."""
        if not len(slots):
            return
        rows = self._rows.rows[slots]
        self._slots.rows[rows] = _DEAD
        self._codes.rows[rows] = ZERO  # so that hardly any query has it among its best
        counts = np.bincount(cells, minlength=self.cells)
        self.dead += counts
        self._tidy_loose(np.flatnonzero(counts))

    def close(self) -> None:
        """Give all memory back."""
        for rows in (self._codes, self._slots, self._blocks, self._rows):
            rows.close()

    def _columns(self, values: list[Numbers] | None = None) -> list[Numbers]:
        if values is not None:
            self.start, self.room, self.size, self.dead, self.plain, self.ordered = values
        return [self.start, self.room, self.size, self.dead, self.plain, self.ordered]

    def _before(self, low: Numbers, high: Numbers, blocks: Numbers | BlockCodes) -> Numbers:
        """The first row of low … high whose block is not below the one asked for; rows are in order there."""
        low, high = np.broadcast_arrays(low, high)
        low, steps = low.copy(), int((high - low).max(initial=0)).bit_length()
        high = high.copy()
        for _ in range(steps):
            middle = (low + high) >> 1
            # A stretch that is searched already may end where the memory does.
            below = (self._blocks.rows[np.minimum(middle, len(self._blocks.rows) - 1)] < blocks) & (low < high)
            low = np.where(below, middle + 1, low)
            high = np.where(below, high, middle)
        return low

    def _place(self, rows: Numbers, codes: Codes, slots: Numbers, blocks: BlockCodes) -> None:
        self._codes.rows[rows] = codes
        self._slots.rows[rows] = slots
        self._blocks.rows[rows] = blocks
        self._rows.rows[slots] = rows

    def _tidy_loose(self, cells: Numbers) -> None:
        size, dead = self.size[cells], self.dead[cells]
        loose = size - self.ordered[cells] + dead > size // _LOOSE + _GRAIN
        self._tidy(cells[loose], np.zeros(int(loose.sum()), np.int64))

    def _tidy(self, cells: Numbers, more: Numbers) -> None:
        """Put cells in order, with room for so many entries more."""
        if not len(cells):
            return
        rows = stretches(self.start[cells], self.size[cells])
        group = owners(self.size[cells])
        slots = self._slots.rows[rows]
        keep = slots != _DEAD
        rows, group = rows[keep], group[keep]
        blocks = self._blocks.rows[rows]
        # Nearly in order already, which this kind of sorting is quick with.
        order = np.argsort((group << 32) + blocks, kind="stable")
        rows = rows[order]
        alive = np.bincount(group, minlength=len(cells))
        needed, room = alive + more, self.room[cells]
        misfit = (needed > room) | (room > needed + needed // 2 + 2 * _GRAIN)
        if misfit.any() or not keep.all() or (np.diff(order) < 0).any():
            codes, slots = self._codes.rows[rows], self._slots.rows[rows].astype(np.int64)
            for cell, least in zip(cells[misfit].tolist(), needed[misfit].tolist(), strict=True):
                self._new_stretch(cell, least)
            self._place(stretches(self.start[cells], alive), codes, slots, blocks[order])
        self.size[cells] = self.ordered[cells] = alive
        self.dead[cells] = 0
        self.plain[cells] = np.bincount(group[blocks == NO_BLOCK], minlength=len(cells))

    def _new_stretch(self, cell: int, rows: int) -> None:
        self._give(int(self.start[cell]), int(self.room[cell]))
        room = int(_room(rows))
        self.start[cell], self.room[cell] = self._segments.take(room), room
        self._reserve()

    def _reserve(self) -> None:
        if self._segments.end > len(self._slots.rows):
            for rows in (self._codes, self._slots, self._blocks):
                rows.reserve(self._segments.end)

    def _give(self, start: int, rows: int) -> None:
        if rows:
            self._segments.give(start, rows)
            for column in (self._codes, self._slots, self._blocks):
                column.release(start, rows)


def _room(rows: Numbers | int) -> Numbers:
    """Rows of a stretch for so many entries."""
    room: Numbers = -(-(np.asarray(rows) * (_SLACK + 1) // _SLACK) // _GRAIN) * _GRAIN
    return room
