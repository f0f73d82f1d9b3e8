"""Arrays that grow and shrink without being copied: anonymous memory, or a file that is mapped.

Both kinds reserve more addresses than they use; what was never written takes no memory, and what is given
back (`release`) is returned to the system at once, also from the middle.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from index_store.reading_ahead import read_ahead

AnyArray = npt.NDArray[Any]

_GROWTH: Final = 1.5
_FILE_STEP: Final = 2**22  # bytes by which a file grows at least


class MemoryRows:
    """Rows of anonymous memory: `rows` is dtype[capacity, width], or dtype[capacity] for a width of 0.

    `rows` is another array after each call of `reserve`: never keep it.
    """

    def __init__(self, dtype: npt.DTypeLike, width: int = 0) -> None:
        self._dtype = np.dtype(dtype)
        self._width = width
        self._row_bytes = self._dtype.itemsize * max(1, width)
        self._map: mmap.mmap | None = None
        self.rows: AnyArray = self._view(0)

    def reserve(self, rows: int) -> bool:
        """Make room for at least so many rows. Returns whether `rows` is a new array."""
        if rows <= len(self.rows):
            return False
        capacity = max(rows, int(len(self.rows) * _GROWTH), 1024)
        size = -(-capacity * self._row_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        self.rows = self._view(0)
        if self._map is None:
            self._map = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        else:
            self._map.resize(size)  # the system moves pages, it does not copy them
        # Cells are read in whole stretches from random places: fewer, larger pages spare address look-ups.
        self._map.madvise(mmap.MADV_HUGEPAGE)
        self.rows = self._view(capacity)
        return True

    def release(self, start: int, rows: int) -> None:
        """Give back the memory of rows that are not needed now; they read as zero afterwards."""
        first = -(-start * self._row_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        last = (start + rows) * self._row_bytes // mmap.PAGESIZE * mmap.PAGESIZE
        if self._map is not None and last > first:
            self._map.madvise(mmap.MADV_DONTNEED, first, last - first)

    def close(self) -> None:
        """Give everything back."""
        self.rows = self._view(0)
        if self._map is not None:
            self._map.close()
            self._map = None

    def _view(self, capacity: int) -> AnyArray:
        shape = (capacity, self._width) if self._width else (capacity,)
        if self._map is None or capacity == 0:
            return np.empty((0, *shape[1:]), self._dtype)
        count = capacity * max(1, self._width)
        return np.frombuffer(self._map, self._dtype, count).reshape(shape)


class FileRows:
    """Rows of a mapped file, dtype[capacity, width] (dtype[capacity] for a width of 0); the system keeps in memory
    what is used. Space on the disk is taken before it is written, so that a full disk is an `OSError` here and not
    a fault in the middle of a write.

    `rows` is another array after each call of `resize`: never keep it.
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike, width: int = 0) -> None:
        """Opens or creates the file. Raises `OSError`."""
        self._path = path
        self._dtype = np.dtype(dtype)
        self._width = width
        self._row_bytes = self._dtype.itemsize * max(1, width)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._map: mmap.mmap | None = None
        self.rows: AnyArray = np.empty((0, width) if width else (0,), self._dtype)
        self._remap()

    def reserve(self, rows: int) -> None:
        """Make room for at least so many rows. Raises `OSError` if the disk has none left; nothing changed then."""
        if rows > len(self.rows):
            size = max(rows * self._row_bytes, min(int(len(self.rows) * self._row_bytes * _GROWTH), 2**28))
            self._resize(-(-max(size, rows * self._row_bytes) // _FILE_STEP) * _FILE_STEP)

    def shrink(self, rows: int) -> None:
        """Give back to the disk what lies behind so many rows, once that is more than half."""
        needed = -(-rows * self._row_bytes // _FILE_STEP) * _FILE_STEP
        if len(self.rows) * self._row_bytes > 2 * needed + _FILE_STEP:
            self._resize(needed)

    def read_ahead(self, rows: int) -> None:
        """Say that so many rows, from the first on, are about to be read."""
        read_ahead(self._fd, rows * self._row_bytes)

    def close(self) -> None:
        """Unmap and close; what was written stays in the file."""
        self.rows = self.rows[:0].copy()
        if self._map is not None:
            self._map.close()
            self._map = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _resize(self, size: int) -> None:
        before = os.fstat(self._fd).st_size
        if size > before:
            try:
                os.posix_fallocate(self._fd, before, size - before)
            except OSError as error:
                why = f"{error.strerror}; the index cannot grow, nothing committed is lost: make room and start again"
                raise OSError(error.errno, why, str(self._path)) from error
        self.rows = self.rows[:0].copy()
        if self._map is not None:
            self._map.close()
            self._map = None
        if size < before:
            os.ftruncate(self._fd, size)
        self._remap()

    def _remap(self) -> None:
        capacity = os.fstat(self._fd).st_size // self._row_bytes
        if capacity == 0:
            return
        self._map = mmap.mmap(self._fd, capacity * self._row_bytes)
        count = capacity * max(1, self._width)
        shape = (capacity, self._width) if self._width else (capacity,)
        self.rows = np.frombuffer(self._map, self._dtype, count).reshape(shape)
