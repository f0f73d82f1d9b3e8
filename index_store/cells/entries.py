"""All entries by slot, a number from 0 on without gaps: key, vector, cell and seller of each.

What a start can use again (vectors, keys, cells, centroids) lies in mapped files, which the system keeps in memory
as far as they are used. The files are no second truth: a start believes them of an entry only if its vector is
still the same, so one that is old or torn costs time and nothing else.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from index_store.cells.arrays import FileRows, MemoryRows
from index_store.cells.codes import Quantiser
from index_store.cells.keymap import KeyMap
from index_store.cells.ragged import Numbers
from index_store.halves import Halves, to_singles
from index_store.store import Keys, SellerCodes, Vectors

FORMAT: Final = 1
_PAGE: Final = 4096  # entries: more than a page of memory holds of any column
_FORMAT, _DIM, _ENTRIES, _CELLS, _COMPLETE = range(5)


class EntryFiles:
    """The files of one folder; each is opened or created, and read by whoever knows what is in it."""

    def __init__(self, folder: Path, dim: int) -> None:
        """Raises `OSError`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._dim = dim
        with ExitStack() as opened:

            def rows(name: str, dtype: npt.DTypeLike, width: int = 0) -> FileRows:
                return opened.enter_context(closing(FileRows(folder / name, dtype, width)))

            self.vectors = rows("vectors.f16", np.float16, dim)
            self.keys = rows("keys.i64", np.int64)
            self.cells = rows("cells.i32", np.int32)
            self.centroids = rows("centroids.f32", np.float32, dim)
            self._scale = rows("scale.f32", np.float32)
            self._head = rows("head.i64", np.int64)
            self._head.reserve(_COMPLETE + 1)
            self._scale.reserve(dim + 1)
            self._opened = opened.pop_all()

    def write_head(self, entries: int, cells: int) -> None:
        """How much of the files counts."""
        self._head.rows[:_COMPLETE] = (FORMAT, self._dim, entries, cells)

    def complete(self) -> None:
        """From now on these files stand for all entries that there are."""
        self._head.rows[_COMPLETE] = 1

    def read_head(self) -> tuple[int, int] | None:
        """Numbers of entries and of cells; None if the files are of no use here."""
        head = self._head.rows[: _COMPLETE + 1].tolist()
        entries, cells = head[_ENTRIES], head[_CELLS]
        fits = head[_FORMAT] == FORMAT and head[_DIM] == self._dim and head[_COMPLETE] == 1
        held = min(len(self.vectors.rows), len(self.keys.rows), len(self.cells.rows))
        return (entries, cells) if fits and 0 <= entries <= held and 0 < cells <= len(self.centroids.rows) else None

    @property
    def quantiser(self) -> Quantiser:
        """As it was kept."""
        return Quantiser(self._scale.rows[: self._dim].copy(), float(self._scale.rows[self._dim]))

    @quantiser.setter
    def quantiser(self, value: Quantiser) -> None:
        self._scale.rows[: self._dim] = value.mean
        self._scale.rows[self._dim] = value.scale

    def close(self) -> None:
        """Close all; what was written stays."""
        self._opened.close()


class Entries:
    """The entries; slots are dense, so the last one moves when another is removed."""

    def __init__(self, files: EntryFiles) -> None:
        self.files = files
        self._map = KeyMap()
        self._sellers = MemoryRows(np.int32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def keys(self) -> Keys:
        """i64[n]; like the others another array after each write."""
        return self.files.keys.rows[: self._count]

    @property
    def vectors(self) -> Halves:
        """f16[n, dim]."""
        return self.files.vectors.rows[: self._count]

    @property
    def cells(self) -> npt.NDArray[np.int32]:
        """i32[n]."""
        return self.files.cells.rows[: self._count]

    @property
    def sellers(self) -> SellerCodes:
        """i32[n]."""
        return self._sellers.rows[: self._count]

    def nbytes(self) -> int:
        """Bytes of memory, the vectors not counted: they stay on the disk."""
        return self._map.nbytes() + self._count * (4 + 8 + 4)

    def find(self, keys: Keys) -> Numbers:
        """The slot of each key, -1 where there is none."""
        return self._map.find(keys)

    def reserve(self, more: int) -> None:
        """Make room, the only step of a write that can fail. Raises `OSError` (disk full)."""
        needed = self._count + more
        for file in (self.files.vectors, self.files.keys, self.files.cells):
            file.reserve(needed)
        self._sellers.reserve(needed)

    def adopt(self, count: int) -> None:
        """Go on with what the files hold. Keys that no entry can have, or an earlier one has, are replaced by others
        that nobody asks for."""
        self._count = count
        order = np.argsort(self.keys, kind="stable")
        bad = self.keys < 0
        bad[order[1:][self.keys[order[1:]] == self.keys[order[:-1]]]] = True
        slots = np.arange(count)
        self.keys[bad] = -2 - slots[bad]
        self._map.put(self.keys, slots)
        self._sellers.reserve(count)

    def add(self, keys: Keys) -> Numbers:
        """Slots for keys that are not known; their columns are to be written next."""
        slots = np.arange(self._count, self._count + len(keys))
        self._map.put(keys, slots)
        self._count += len(keys)
        self.keys[slots] = keys
        return slots

    def write(self, slots: Numbers, vectors: Halves, cells: Numbers, sellers: SellerCodes) -> None:
        """The columns of these slots."""
        self.vectors[slots] = vectors
        self.cells[slots] = cells
        self.sellers[slots] = sellers

    def remove(self, slots: Numbers) -> tuple[Numbers, Numbers]:
        """Take entries out. Returns which slots moved, and where to."""
        self._map.drop(self.keys[slots])
        count = self._count - len(slots)
        holes = np.sort(slots[slots < count])
        movers = np.setdiff1d(np.arange(count, self._count), slots, assume_unique=True)
        columns: tuple[npt.NDArray[Any], ...] = (self.keys, self.vectors, self.cells, self.sellers)
        for column in columns:
            column[holes] = column[movers]
        if len(movers):
            self._map.put(self.keys[holes], holes)
        del columns, column
        self._sellers.release(count, min(self._count + _PAGE, len(self._sellers.rows)) - count)
        self._count = count
        for file in (self.files.vectors, self.files.keys, self.files.cells):
            file.shrink(count)
        return movers, holes

    def exact(self, slots: Numbers) -> Vectors:
        """f32[n, dim]: the vectors of these slots."""
        return to_singles(self.vectors[slots])

    def close(self) -> None:
        """Give back memory and files."""
        self._sellers.close()
        self.files.close()
