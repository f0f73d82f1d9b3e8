"""Which quantiser the codes of each cell are made with: one, or two while the range of codes is being widened.

A quantiser is fitted to the vectors that there are when cells are made. Later ones may lie outside its range; their
codes are cut off, and rough scores are too low then. So a search looks at each of these entries exactly, and once they
are more than a few, a wider quantiser takes over, cell by cell.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from index_store.cells.codes import Codes, Quantiser
from index_store.cells.ragged import Numbers
from index_store.store import Vectors

_TOLERATED: Final = 16  # entries that may be cut off, and
_TOLERATED_SHARE: Final = 1 / 1024  # this share of all; a wider range is a coarser one, and some are always extreme


class Scales:
    """now: the quantiser of cells that are not stale; former: that of the stale ones, None if there are none.

    stale: bool[cells]; cut_off: i64[n], slots of the entries whose codes are cut off, ascending
    """

    def __init__(self, quantiser: Quantiser, cells: int) -> None:
        self.now = quantiser
        self.former: Quantiser | None = None
        self.stale = np.zeros(cells, bool)
        self.cut_off = np.zeros(0, np.int64)

    def encode(self, vectors: Vectors, cells: Numbers) -> Codes:
        """u8[n, dim]: codes of vectors that go into these cells (i64[n])."""
        codes = self.now.encode(vectors)
        if self.former is not None:
            stale = self.stale[cells]
            codes[stale] = self.former.encode(vectors[stale])
        return codes

    def note(self, slots: Numbers, vectors: Vectors, cells: Numbers) -> None:
        """Entries of these slots now have codes of these vectors, in these cells."""
        if len(self.cut_off):
            self.forget(slots)
        narrow = self.now if self.former is None else self.former
        if narrow.largest(vectors) > narrow.reach:
            outside = self._outside(vectors, cells)
            self.cut_off = np.union1d(self.cut_off, slots[outside])

    def forget(self, slots: Numbers) -> None:
        """These entries are gone."""
        if len(self.cut_off):
            self.cut_off = np.setdiff1d(self.cut_off, slots)

    def rename(self, old: Numbers, new: Numbers) -> None:
        """The entries of slots `old` now have the slots `new`."""
        _, moved, which = np.intersect1d(self.cut_off, old, return_indices=True)
        if len(moved):
            self.cut_off[moved] = new[which]
            self.cut_off.sort()

    def due(self, entries: int) -> bool:
        """Is it time to widen the range of an index of so many entries?"""
        return self.former is None and len(self.cut_off) > _TOLERATED + int(entries * _TOLERATED_SHARE)

    def widen(self, cut_off: Vectors) -> None:
        """From now on new codes have room for these vectors, and all cells are stale."""
        self.former, self.now = self.now, self.now.wider(self.now.largest(cut_off))
        self.stale[:] = True

    def stalest(self, cells: npt.NDArray[np.int32], most: int) -> list[int]:
        """The stale cells to encode anew next: where most is cut off comes first. cells: those of `cut_off`."""
        stale = np.flatnonzero(self.stale)
        counts = np.bincount(cells, minlength=len(self.stale))[stale]
        result: list[int] = stale[np.argsort(-counts, kind="stable")[:most]].tolist()
        return result

    def renewed(self, cell: int) -> None:
        """All codes of this cell are made with the quantiser of now."""
        self.stale[cell] = False
        self._settle()

    def add_cell(self) -> None:
        """One more, empty."""
        self.stale = np.append(self.stale, False)

    def drop_last_into(self, cell: int) -> None:
        """Forget an empty cell; the last one takes its number."""
        self.stale[cell] = self.stale[-1]
        self.stale = self.stale[:-1].copy()
        self._settle()

    def _outside(self, vectors: Vectors, cells: Numbers) -> npt.NDArray[np.bool_]:
        outside = self.now.outside(vectors)
        if self.former is not None:
            outside |= self.stale[cells] & self.former.outside(vectors)
        return outside

    def _settle(self) -> None:
        if not self.stale.any():
            self.former = None
