"""Comparing queries with rows of codes: FAISS's inverted-file scan on any stretches of memory.

FAISS reads inverted lists through a table of (size, capacity, offset) that `OnDiskInvertedLists` makes public, and
an address that the offsets count from. Here the address is that of our rows, and the table is written anew for each
search: a list for each stretch that a query is to be compared with. So FAISS scans (with the instructions of this
processor) what it neither allocates nor frees. It does so on one thread: queries are shared among several here.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt

from index_store.cells.codes import Codes
from index_store.cells.ragged import Numbers
from index_store.cells.sharing import in_parts
from index_store.store import Vectors

_faiss: Final[Any] = faiss  # its type stubs know neither raw searches nor the methods of its vectors
_SIZE, _CAPACITY, _OFFSET = range(3)
_ROWS_PER_PART: Final = 16_384  # to compare with: some tenths of a millisecond


class Scanner:
    """Compares with codes of `dim` dimensions."""

    def __init__(self, dim: int) -> None:
        self._row_bytes = dim
        self._quantiser = _faiss.IndexFlatIP(dim)  # FAISS wants one; the lists to look into are given to it
        kind, product = _faiss.ScalarQuantizer.QT_8bit_direct_signed, _faiss.METRIC_INNER_PRODUCT
        self._index = _faiss.IndexIVFScalarQuantizer(self._quantiser, dim, 1, kind, product, False)
        self._index.is_trained = True
        self._table = np.zeros((0, 3), np.uint64)
        self._lists: Any = None

    def nearest(
        self, queries: Vectors, rows: Codes, starts: Numbers, sizes: Numbers, fetch: int
    ) -> tuple[npt.NDArray[np.float32], Numbers]:
        """The best `fetch` rows in the stretches of each query: scores f32[n, fetch] and rows i64[n, fetch], best
        first; -inf and -1 where there are no more.

        queries f32[n, dim], whole numbers in ±127; rows u8[r, dim], contiguous; starts, sizes i64[n, m]: stretches of
        them
        """
        count = starts.size
        if count > len(self._table):
            self._make_table(count + count // 4)
        self._table[:count, _SIZE] = self._table[:count, _CAPACITY] = sizes.ravel()
        self._table[:count, _OFFSET] = starts.ravel() * self._row_bytes
        lists = np.arange(count).reshape(starts.shape)
        lists[sizes == 0] = -1
        base = np.zeros(starts.shape, np.float32)
        scores = np.empty((len(queries), fetch), np.float32)
        labels = np.empty((len(queries), fetch), np.int64)
        queries = np.ascontiguousarray(queries)
        probing = _faiss.SearchParametersIVF(nprobe=starts.shape[1])

        def scan(begin: int, end: int) -> None:
            part = slice(begin, end)
            self._index.search_preassigned_c(
                end - begin,
                _faiss.swig_ptr(queries[part]),
                fetch,
                _faiss.swig_ptr(lists[part]),
                _faiss.swig_ptr(base[part]),
                _faiss.swig_ptr(scores[part]),
                _faiss.swig_ptr(labels[part]),
                True,  # labels are (list << 32 | offset): FAISS needs no ids then, and we keep none for it
                probing,
            )

        self._lists.ptr = _faiss.swig_ptr(rows.reshape(-1))
        try:
            in_parts(scan, len(queries), 1 + len(queries) * _ROWS_PER_PART // (1 + int(sizes.sum())))
        finally:
            self._lists.ptr = None  # FAISS would unmap it with the table
        missing = labels < 0
        labels[missing] = 0
        found = starts.ravel()[labels >> 32] + (labels & 0xFFFFFFFF)
        found[missing] = -1
        scores[missing] = -np.inf
        return scores, found

    def _make_table(self, count: int) -> None:
        made = _faiss.OnDiskInvertedLists(0, self._row_bytes, "")
        made.prefetch_nthread = 0
        made.lists.resize(count)
        made.nlist = count
        address = int(made.lists.data().this)
        self._table = np.ctypeslib.as_array((ctypes.c_uint64 * (3 * count)).from_address(address)).reshape(count, 3)
        self._table[:] = 0
        self._index.nlist = count
        self._index.replace_invlists(made, False)
        self._lists = made
