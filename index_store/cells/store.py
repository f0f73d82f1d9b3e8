"""The index store for few offers and for millions: exact while they are few, then in cells."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from index_store.cells.blas import one_thread
from index_store.cells.folders import Folders
from index_store.cells.incoming import half
from index_store.cells.loading import Loaded
from index_store.cells.recall import Probe, RecallScan
from index_store.cells.report import CellReport, report
from index_store.cells.search import NORMAL, Effort, search
from index_store.cells.stages import Stages
from index_store.store import (
    BlockCodes,
    HalfRows,
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

EXACT_BELOW: Final = 8192
"""Entries up to which the index is exact; half of it, so that it does not go to and fro, on the way back."""


class CellStore:
    """An `IndexStore` of any size; its methods may be called from several threads (one at a time gets in).

    Vectors must be rounded to fp16. Scores are those of `scores.inner_products`, also where the search is
    approximate: then an entry may be missing, but none has another score. All work is done in the caller's turn:
    growing, splitting and re-balancing go on in small steps with each write.
    """

    def __init__(self, dim: int, folder: Path | None = None, *, exact_below: int = EXACT_BELOW, seed: int = 0) -> None:
        """An empty index. What `folder` (which belongs to this store alone) holds of the last run is used by `load`;
        without a folder the vectors lie in a temporary one. Raises `ValueError` unless dim ≥ 1; `OSError`."""
        self._dim = check_dim(dim)
        self._stages = Stages(dim, Folders(folder, dim), exact_below=exact_below, seed=seed)
        self._lock = threading.Lock()

    @property
    def dim(self) -> int:
        """Number of dimensions of a vector."""
        return self._dim

    def load(self, chunks: Iterable[Rows | HalfRows], *, anew: bool = False) -> Loaded:
        """Fill the empty index with all entries, each key once; entries that have not changed since the last run keep
        their cells (anew: none do).

        Raises `ValueError` if the index is not empty, and what `upsert` raises; it is empty then.
        """
        with self._lock:
            return self._stages.load(chunks, anew=anew)

    def upsert(self, keys: Keys, vectors: Vectors, sellers: SellerCodes, blocks: BlockCodes | None = None) -> None:
        """See `IndexStore.upsert`. Raises `OSError` if the disk is full, and has changed nothing then."""
        keys = check_keys(keys)
        vectors = check_vectors("vectors", vectors, self._dim, len(keys))
        halves = half(vectors)
        sellers = check_sellers("sellers", sellers, len(keys))
        blocks = check_blocks(blocks, len(keys))
        distinct, last = np.unique(keys[::-1], return_index=True)
        if len(distinct) < len(keys):
            rows = len(keys) - 1 - last
            keys, vectors, halves, sellers, blocks = distinct, vectors[rows], halves[rows], sellers[rows], blocks[rows]
        with self._lock, one_thread():
            self._stages.upsert(keys, vectors, halves, sellers, blocks)

    def remove(self, keys: Keys) -> int:
        """See `IndexStore.remove`."""
        keys = np.unique(check_keys(keys))
        with self._lock, one_thread():
            return self._stages.remove(keys)

    def search(
        self,
        queries: Vectors,
        k: int,
        *,
        not_sellers: SellerCodes | None = None,
        blocks: BlockCodes | None = None,
        effort: Effort = NORMAL,
    ) -> Hits:
        """See `IndexStore.search`; `effort` says how far to look where the index is approximate."""
        queries = check_vectors("queries", queries, self._dim)
        k = check_k(k)
        terms = Terms.checked(not_sellers, blocks, len(queries))
        with self._lock:
            cells = self._stages.cells
            if cells is None:
                return self._stages.exact().search(queries, k, not_sellers=not_sellers, blocks=blocks)
            # Scans are shared among threads (see `sharing`); the small products around them are not worth it.
            with one_thread():
                return search(cells, queries, k, terms, effort)

    def reconstruct(self, keys: Keys) -> Vectors:
        """See `IndexStore.reconstruct`."""
        keys = check_keys(keys)
        with self._lock:
            cells = self._stages.cells
            if cells is None:
                return self._stages.exact().reconstruct(keys)
            vectors = np.full((len(keys), self._dim), np.nan, dtype=np.float32)
            slots = cells.entries.find(keys)
            vectors[slots >= 0] = cells.entries.exact(slots[slots >= 0])
            return vectors

    def labels(self, keys: Keys) -> tuple[SellerCodes, BlockCodes]:
        """See `IndexStore.labels`."""
        keys = check_keys(keys)
        with self._lock:
            cells = self._stages.cells
            if cells is None:
                return self._stages.exact().labels(keys)
            slots = cells.entries.find(keys)
            known = slots[slots >= 0]
            places = np.where(slots >= 0, np.cumsum(slots >= 0) - 1, -1)
            return labels_at(places, cells.entries.sellers[known], cells.lists.blocks_of(known))

    def __len__(self) -> int:
        with self._lock:
            return len(self._stages)

    def memory_bytes(self) -> int:
        """See `IndexStore.memory_bytes`; in cells, the exact vectors lie in a file and are not counted."""
        with self._lock:
            return self._stages.memory_bytes()

    def report(self) -> CellReport:
        """Sizes, blocks and balance, as `offermatch index inspect` shows them."""
        with self._lock:
            return report(self._stages.answering())

    def probe(self, queries: int, k: int = 10, *, seed: int = 0) -> Iterator[Probe | None]:
        """Recall of searches for some of the entries themselves, against all entries: None after each of many short
        steps, then the result. The index can be used and changed between two steps."""
        with self._lock:
            cells = self._stages.cells
            queries = min(queries, len(self._stages.answering()))
            scan = None if cells is None or not queries else RecallScan(cells, queries, k, seed)
        result = None
        while scan is not None and result is None:
            with self._lock:
                # So few are left that the index is exact again.
                result = scan.step() if self._stages.cells is cells else Probe(queries, k, 1.0)
            if result is None:
                yield None
        yield result or Probe(queries, k, 1.0)

    def close(self) -> None:
        """See `IndexStore.close`. The files stay, for `load` in the next run."""
        with self._lock:
            self._stages.close()
