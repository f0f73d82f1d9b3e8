"""Comparing queries with compressed cells: FAISS's inverted-file scan, run on stretches of our memory.

FAISS reads inverted lists through a table of (size, capacity, offset) that `OnDiskInvertedLists` makes public, and
an address that the offsets count from. Here the address is that of our rows and the table is kept by us, so that
FAISS scans (in parallel, with the instructions of this processor) what it neither allocates nor frees.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt

from index_store.cells.lists import CellLists
from index_store.cells.ragged import Numbers
from index_store.store import Vectors

_faiss: Final[Any] = faiss  # its type stubs know neither raw searches nor the methods of its vectors

PARTS: Final = 3
"""Lists that a cell has in FAISS's eyes, one behind the other: all entries, the brandless, the branded."""
ALL, PLAIN, BRANDED = range(PARTS)


class Scanner:
    """Searches the lists of `lists`, always as they are now."""

    def __init__(self, lists: CellLists, dim: int) -> None:
        self._lists = lists
        self._dim = dim
        self._quantiser = _faiss.IndexFlatIP(dim)  # FAISS wants one; the cells to look into are given to it
        self._index = _faiss.IndexIVFScalarQuantizer(
            self._quantiser, dim, 1, _faiss.ScalarQuantizer.QT_8bit_direct_signed, _faiss.METRIC_INNER_PRODUCT, False
        )
        self._index.is_trained = True
        self._table = np.zeros((0, 3), np.uint64)
        self._shown: Any = None
        self._cells = 0

    def nearest(self, queries: Vectors, lists: Numbers, fetch: int) -> tuple[npt.NDArray[np.float32], Numbers]:
        """The best `fetch` rows in the lists of each query: scores f32[n, fetch] and rows i64[n, fetch], best first;
        -inf and -1 where there are no more.

        queries f32[n, dim]: whole numbers in ±127; lists i64[n, m]: PARTS * cell + part
        """
        made = self._refresh()
        scores = np.empty((len(queries), fetch), np.float32)
        labels = np.empty((len(queries), fetch), np.int64)
        lists = np.ascontiguousarray(lists)
        base = np.zeros(lists.shape, np.float32)
        made.ptr = _faiss.swig_ptr(self._lists.codes.reshape(-1))
        try:
            self._index.search_preassigned_c(
                len(queries),
                _faiss.swig_ptr(np.ascontiguousarray(queries)),
                fetch,
                _faiss.swig_ptr(lists),
                _faiss.swig_ptr(base),
                _faiss.swig_ptr(scores),
                _faiss.swig_ptr(labels),
                True,  # labels are (list << 32 | offset): FAISS needs no ids then, and we keep none for it
                _faiss.SearchParametersIVF(nprobe=lists.shape[1]),
            )
        finally:
            made.ptr = None  # FAISS would unmap it with the table
        missing = labels < 0
        found, offset = labels >> 32, labels & 0xFFFFFFFF
        cell, part = found // PARTS, found % PARTS
        rows = self._lists.start[cell] + offset + np.where(part == BRANDED, self._lists.plain[cell], 0)
        rows[missing] = -1
        scores[missing] = -np.inf
        return scores, rows

    def _refresh(self) -> Any:
        """Tell FAISS where the cells are now; returns its lists."""
        lists = self._lists
        if lists.cells > self._cells:
            self._make_table(lists.cells + lists.cells // 4 + 8)
        used = self._table[: PARTS * lists.cells].reshape(-1, PARTS, 3)
        used[:, ALL, 0] = lists.size
        used[:, PLAIN, 0] = lists.plain
        used[:, BRANDED, 0] = lists.size - lists.plain
        used[:, ALL, 2] = used[:, PLAIN, 2] = lists.start * self._dim
        used[:, BRANDED, 2] = (lists.start + lists.plain) * self._dim
        self._table[PARTS * lists.cells :, 0] = 0
        return self._shown

    def _make_table(self, cells: int) -> None:
        count = PARTS * cells
        made = _faiss.OnDiskInvertedLists(0, self._dim, "")
        made.prefetch_nthread = 0
        made.lists.resize(count)
        made.nlist = count
        address = int(made.lists.data().this)
        self._table = np.ctypeslib.as_array((ctypes.c_uint64 * (3 * count)).from_address(address)).reshape(count, 3)
        self._table[:] = 0
        self._index.nlist = count
        self._index.replace_invlists(made, False)
        self._shown, self._cells = made, cells
