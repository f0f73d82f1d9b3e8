"""The exact index: every search compares with every entry, by FAISS's brute-force search.

Entries are rows of one array of ours, and `faiss.knn` (what `IndexFlatIP.search` calls) runs on it directly:
a replacement overwrites its row, a removal moves the last row into the hole, and the array is cut where
`IndexFlatIP` would keep the space (a `std::vector` does not shrink, and Python cannot tell it to).
"""

from __future__ import annotations

import sys
import threading
from typing import Final

import faiss
import numpy as np
import numpy.typing as npt

from index_store.scores import inner_products, rounding_bound
from index_store.store import (
    NO_KEY,
    BlockCodes,
    Hits,
    Keys,
    Rows,
    SellerCodes,
    Vectors,
    check_blocks,
    check_dim,
    check_k,
    check_keys,
    check_sellers,
    check_vectors,
    labels_at,
)
from index_store.terms import Terms

_LEAST_ROWS: Final = 256
_GROWTH: Final = 1.25
_SPARE_FETCH: Final = 8
_SCAN_VALUES: Final = 2**24  # scores held at once by the full scan: 64 MiB
_INT_BYTES: Final = sys.getsizeof(2**30)


class FlatStore:
    """Exact `IndexStore` in memory; its methods may be called from several threads (one at a time gets in).

    Scores are those of `scores.inner_products`: the same two vectors have the same score in every batch and
    at every place, and equal scores are ordered by key, so that a search can be repeated to the bit.
    """

    def __init__(self, dim: int) -> None:
        """Raises `ValueError` unless dim ≥ 1."""
        self._dim = check_dim(dim)
        self._size = 0
        self._rows: Vectors = np.zeros((0, dim), dtype=np.float32)
        self._keys: Keys = np.zeros(0, dtype=np.int64)
        self._sellers: SellerCodes = np.zeros(0, dtype=np.int32)
        self._blocks: BlockCodes = np.zeros(0, dtype=np.int32)
        self._slots: dict[int, int] = {}
        self._longest = 0.0  # never below the length of any row; what bounds the rounding errors of FAISS
        self._closed = False
        self._lock = threading.Lock()

    @property
    def dim(self) -> int:
        """Number of dimensions of a vector."""
        return self._dim

    def upsert(self, keys: Keys, vectors: Vectors, sellers: SellerCodes, blocks: BlockCodes | None = None) -> None:
        """See `IndexStore.upsert`."""
        keys = check_keys(keys)
        vectors = check_vectors("vectors", vectors, self._dim, len(keys))
        sellers = check_sellers("sellers", sellers, len(keys))
        blocks = check_blocks(blocks, len(keys))
        last = {key: row for row, key in enumerate(keys.tolist())}
        with self._lock:
            self._check_open()
            new = [key for key in last if key not in self._slots]
            self._reserve(self._size + len(new))
            self._slots.update(zip(new, range(self._size, self._size + len(new)), strict=True))
            self._size += len(new)
            slots = np.fromiter((self._slots[key] for key in last), np.int64, len(last))
            rows = np.fromiter(last.values(), np.int64, len(last))
            self._rows[slots] = vectors[rows]
            self._keys[slots] = keys[rows]
            self._sellers[slots] = sellers[rows]
            self._blocks[slots] = blocks[rows]
            if len(rows):
                self._longest = max(self._longest, float(_lengths(vectors[rows]).max()))

    def remove(self, keys: Keys) -> int:
        """See `IndexStore.remove`."""
        keys = check_keys(keys)
        with self._lock:
            self._check_open()
            gone = [slot for slot in (self._slots.pop(key, None) for key in keys.tolist()) if slot is not None]
            if not gone:
                return 0
            size = self._size - len(gone)
            holes = np.array([slot for slot in gone if slot < size], dtype=np.int64)
            movers = np.setdiff1d(np.arange(size, self._size), np.array(gone), assume_unique=True)
            for array in (self._rows, self._keys, self._sellers, self._blocks):
                array[holes] = array[movers]
            self._slots.update(zip(self._keys[holes].tolist(), holes.tolist(), strict=True))
            self._size = size
            if size < len(self._rows) // 2:
                self._resize(int(size * _GROWTH))
            if size == 0:
                self._longest = 0.0
            return len(gone)

    def search(
        self, queries: Vectors, k: int, *, not_sellers: SellerCodes | None = None, blocks: BlockCodes | None = None
    ) -> Hits:
        """See `IndexStore.search`."""
        queries = check_vectors("queries", queries, self._dim)
        k = check_k(k)
        terms = Terms.checked(not_sellers, blocks, len(queries))
        hits = Hits(
            np.full((len(queries), k), NO_KEY, dtype=np.int64),
            np.full((len(queries), k), -np.inf, dtype=np.float32),
        )
        with self._lock:
            self._check_open()
            if self._size and len(queries):
                open_ = self._search_few(queries, k, terms, hits)
                self._search_all(open_, queries, k, terms, hits)
        return hits

    def reconstruct(self, keys: Keys) -> Vectors:
        """See `IndexStore.reconstruct`."""
        keys = check_keys(keys)
        vectors = np.full((len(keys), self._dim), np.nan, dtype=np.float32)
        with self._lock:
            self._check_open()
            slots = np.fromiter((self._slots.get(key, -1) for key in keys.tolist()), np.int64, len(keys))
            vectors[slots >= 0] = self._rows[slots[slots >= 0]]
        return vectors

    def labels(self, keys: Keys) -> tuple[SellerCodes, BlockCodes]:
        """See `IndexStore.labels`."""
        keys = check_keys(keys)
        with self._lock:
            self._check_open()
            slots = np.fromiter((self._slots.get(key, -1) for key in keys.tolist()), np.int64, len(keys))
            return labels_at(slots, self._sellers, self._blocks)

    def keys(self) -> Keys:
        """i64[n]: the keys of all entries."""
        with self._lock:
            return self._keys[: self._size].copy()

    def entries(self, keys: Keys) -> Rows:
        """Those of these entries that are there, for another store that takes over."""
        with self._lock:
            found = np.fromiter((self._slots.get(key, -1) for key in keys.tolist()), np.int64, len(keys))
            slots = found[found >= 0]
            return self._keys[slots], self._rows[slots], self._sellers[slots], self._blocks[slots]

    def __len__(self) -> int:
        return self._size

    def memory_bytes(self) -> int:
        """See `IndexStore.memory_bytes`."""
        arrays = self._rows.nbytes + self._keys.nbytes + self._sellers.nbytes + self._blocks.nbytes
        return arrays + sys.getsizeof(self._slots) + 2 * _INT_BYTES * len(self._slots)

    def close(self) -> None:
        """See `IndexStore.close`."""
        with self._lock:
            self._closed = True
            self._size = 0
            self._slots = {}
            self._resize(0)

    def _search_few(self, queries: Vectors, k: int, terms: Terms, hits: Hits) -> npt.NDArray[np.int64]:
        """Fill `hits` from FAISS's best few; returns the queries for which those may not be enough."""
        fetch = min(self._size, 2 * k + _SPARE_FETCH)
        rough, slots = faiss.knn(queries, self._rows[: self._size], fetch, metric=faiss.METRIC_INNER_PRODUCT)
        scores = inner_products(queries, self._rows[slots])
        scores[~terms.allow(self._sellers[slots], self._blocks[slots])] = -np.inf
        self._fill(hits, np.arange(len(queries)), self._keys[slots], scores, k)
        if fetch == self._size:
            return np.zeros(0, dtype=np.int64)
        # What FAISS left out scored no more than its last one, give or take rounding: only where the k-th
        # hit is above that for certain, nothing left out can belong among the k (nor tie with the last).
        bound = rounding_bound(self._dim, _lengths(queries), self._longest)
        return np.flatnonzero(hits.scores[:, -1] <= rough[:, -1] + bound)

    def _search_all(self, open_: npt.NDArray[np.int64], queries: Vectors, k: int, terms: Terms, hits: Hits) -> None:
        """Fill `hits` of the queries `open_` from all entries that are allowed to them, in one pass."""
        bound = rounding_bound(self._dim, _lengths(queries), self._longest)
        sellers, blocks = self._sellers[None, : self._size], self._blocks[None, : self._size]
        step = max(1, _SCAN_VALUES // self._size)
        for start in range(0, len(open_), step):
            part = open_[start : start + step]
            rough_rows = queries[part] @ self._rows[: self._size].T
            for query, rough in zip(part.tolist(), rough_rows, strict=True):
                rough[~terms.of(np.array([query])).allow(sellers, blocks)[0]] = -np.inf
                least = np.partition(rough, self._size - k)[self._size - k] if k < self._size else -np.inf
                slots = np.flatnonzero((rough >= least - 2 * bound[query]) & (rough > -np.inf))
                scores = inner_products(queries[None, query], self._rows[None, slots])
                self._fill(hits, np.array([query]), self._keys[None, slots], scores, k)

    @staticmethod
    def _fill(hits: Hits, queries: npt.NDArray[np.int64], keys: Keys, scores: npt.NDArray[np.float32], k: int) -> None:
        order = np.lexsort((keys, -scores), axis=-1)[:, :k]
        best = np.take_along_axis(scores, order, axis=1)
        width = order.shape[1]
        hits.scores[queries, :width] = best
        hits.keys[queries, :width] = np.where(np.isneginf(best), NO_KEY, np.take_along_axis(keys, order, axis=1))

    def _reserve(self, rows: int) -> None:
        if rows > len(self._rows):
            self._resize(max(_LEAST_ROWS, rows, int(len(self._rows) * _GROWTH)))

    def _resize(self, rows: int) -> None:
        # In place by realloc: the system moves pages instead of copying them, and a cut gives them back. No
        # view of these arrays leaves this class, which is what the reference check would guard.
        self._rows.resize((rows, self._dim), refcheck=False)
        self._keys.resize(rows, refcheck=False)
        self._sellers.resize(rows, refcheck=False)
        self._blocks.resize(rows, refcheck=False)

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("this index is closed")


def _lengths(vectors: Vectors) -> npt.NDArray[np.float64]:
    """f64[n]: Euclidean lengths, rounded upwards."""
    lengths: npt.NDArray[np.float64] = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    return lengths * (1 + 1e-9)
