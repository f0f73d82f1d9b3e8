"""The index store for few offers and for millions: exact while they are few, then in cells."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from index_store.cells.adopting import Adopting
from index_store.cells.balance import Balancer
from index_store.cells.blas import one_thread
from index_store.cells.folders import Folders
from index_store.cells.growth import Growth
from index_store.cells.index import CellIndex
from index_store.cells.loading import Loaded, Loading, ahead, half
from index_store.cells.recall import Probe, RecallScan
from index_store.cells.report import CellReport, report
from index_store.cells.search import NORMAL, Effort, search
from index_store.flat import FlatStore
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
        self._exact_below = exact_below
        self._seed = seed
        self._folders = Folders(folder, dim)
        self._flat: FlatStore | None = FlatStore(dim)
        self._growth: Growth | None = None
        self._cells: CellIndex | None = None
        self._balancer: Balancer | None = None
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
            if self._flat is None or len(self._flat) or self._growth is not None:
                raise ValueError("only an index that is empty and not closed can be loaded")
            files = None if anew else self._folders.remembered()
            if files is None:
                return self._load_anew(chunks)
            adopting = Adopting(files)
            try:
                adopting.take(ahead(chunks))
                loaded = adopting.finish()
                if loaded.assigned > loaded.entries // 2:
                    # Cells made for other entries: better ones are worth the time.
                    loaded = self._load_anew(adopting.index.rows())
                    adopting.index.close()
                    return loaded
            except BaseException:
                adopting.index.close()
                raise
            self._use(adopting.index)
            if loaded.entries < self._exact_below:
                self._shrink(adopting.index)
            return loaded

    def upsert(self, keys: Keys, vectors: Vectors, sellers: SellerCodes, blocks: BlockCodes | None = None) -> None:
        """See `IndexStore.upsert`. Raises `OSError` if the disk is full, and has changed nothing then."""
        keys = check_keys(keys)
        vectors = check_vectors("vectors", vectors, self._dim, len(keys))
        halves = half("vectors", vectors)
        sellers = check_sellers("sellers", sellers, len(keys))
        blocks = check_blocks(blocks, len(keys))
        distinct, last = np.unique(keys[::-1], return_index=True)
        if len(distinct) < len(keys):
            rows = len(keys) - 1 - last
            keys, vectors, halves, sellers, blocks = distinct, vectors[rows], halves[rows], sellers[rows], blocks[rows]
        with self._lock, one_thread():
            # First, since a full disk may stop it.
            self._maintain(len(keys))
            if self._cells is not None:
                self._cells.upsert(keys, vectors, halves, sellers, blocks)
            else:
                if self._growth is not None:
                    self._growth.upsert(keys, vectors, halves, sellers, blocks)
                self._exact().upsert(keys, vectors, sellers, blocks)

    def remove(self, keys: Keys) -> int:
        """See `IndexStore.remove`."""
        keys = np.unique(check_keys(keys))
        with self._lock, one_thread():
            if self._cells is not None:
                slots = self._cells.entries.find(keys)
                slots = slots[slots >= 0]
                self._cells.remove(slots)
                count = len(slots)
            else:
                count = self._exact().remove(keys)
                if self._growth is not None:
                    self._growth.remove(keys)
            with suppress(OSError):  # a full disk: tried again with the next write, which says so
                self._maintain(count)
            return count

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
            if self._cells is None:
                return self._exact().search(queries, k, not_sellers=not_sellers, blocks=blocks)
            # FAISS shares its scans among threads by itself.
            with one_thread():
                return search(self._cells, queries, k, terms, effort)

    def reconstruct(self, keys: Keys) -> Vectors:
        """See `IndexStore.reconstruct`."""
        keys = check_keys(keys)
        with self._lock:
            if self._cells is None:
                return self._exact().reconstruct(keys)
            vectors = np.full((len(keys), self._dim), np.nan, dtype=np.float32)
            slots = self._cells.entries.find(keys)
            vectors[slots >= 0] = self._cells.entries.exact(slots[slots >= 0])
            return vectors

    def labels(self, keys: Keys) -> tuple[SellerCodes, BlockCodes]:
        """See `IndexStore.labels`."""
        keys = check_keys(keys)
        with self._lock:
            if self._cells is None:
                return self._exact().labels(keys)
            slots = self._cells.entries.find(keys)
            known = slots[slots >= 0]
            places = np.where(slots >= 0, np.cumsum(slots >= 0) - 1, -1)
            return labels_at(places, self._cells.entries.sellers[known], self._cells.lists.blocks_of(known))

    def __len__(self) -> int:
        with self._lock:
            return len(self._cells if self._cells is not None else self._flat or ())

    def memory_bytes(self) -> int:
        """See `IndexStore.memory_bytes`; in cells, the exact vectors lie in a file and are not counted."""
        with self._lock:
            if self._cells is not None:
                return self._cells.nbytes()
            return self._flat.memory_bytes() if self._flat is not None else 0

    def report(self) -> CellReport:
        """Sizes, blocks and balance, as `offermatch index inspect` shows them."""
        with self._lock:
            return report(self._cells if self._cells is not None else self._exact())

    def probe(self, queries: int, k: int = 10, *, seed: int = 0) -> Iterator[Probe | None]:
        """Recall of searches for some of the entries themselves, against all entries: None after each of many short
        steps, then the result. The index can be used and changed between two steps."""
        with self._lock:
            cells = self._cells
            queries = min(queries, len(cells if cells is not None else self._exact()))
            scan = None if cells is None or not queries else RecallScan(cells, queries, k, seed)
        result = None
        while scan is not None and result is None:
            with self._lock:
                # So few are left that the index is exact again.
                result = scan.step() if self._cells is cells else Probe(queries, k, 1.0)
            if result is None:
                yield None
        yield result or Probe(queries, k, 1.0)

    def close(self) -> None:
        """See `IndexStore.close`. The files stay, for `load` in the next run."""
        with self._lock:
            for part in (self._growth, self._cells, self._flat, self._folders):
                if part is not None:
                    part.close()
            self._growth = self._cells = self._flat = self._balancer = None

    def _load_anew(self, chunks: Iterable[Rows | HalfRows]) -> Loaded:
        assert self._flat is not None
        loading = Loading(self._folders.new(), self._dim)
        try:
            loading.take(ahead(chunks))
            if len(loading) < self._exact_below:
                for rows in loading.entries():
                    self._flat.upsert(*rows)
                loading.close()
                self._folders.keep(None)
                return Loaded(len(self._flat), 0)
            index, loaded = loading.finish(self._seed)
        except BaseException:
            loading.close()
            raise
        self._use(index)
        return loaded

    def _maintain(self, rows: int) -> None:
        if self._cells is not None:
            assert self._balancer is not None
            self._balancer.step(rows)
            if len(self._cells) < self._exact_below // 2:
                self._shrink(self._cells)
            return
        few = self._exact()
        if self._growth is None and len(few) >= self._exact_below:
            self._growth = Growth(few, self._folders.new, self._seed)
        if self._growth is not None:
            try:
                grown = self._growth.step(rows)
            except OSError:
                # It cannot be gone on with; the next one begins anew, with the room that this one had.
                self._growth.close()
                self._growth = None
                self._folders.keep(None)
                raise
            if grown is not None:
                self._growth = None
                self._use(grown)

    def _use(self, index: CellIndex) -> None:
        """From here on the cells answer."""
        if self._flat is not None:
            self._flat.close()
        self._flat, self._cells, self._balancer = None, index, Balancer(index)
        self._folders.keep(index.entries.files)

    def _shrink(self, index: CellIndex) -> None:
        """Few enough to be exact again."""
        self._flat = FlatStore(self._dim)
        for rows in index.rows():
            self._flat.upsert(*rows)
        self._cells = self._balancer = None
        index.close()
        self._folders.keep(None)

    def _exact(self) -> FlatStore:
        if self._flat is None:
            raise ValueError("this index is closed")
        return self._flat
