"""hnswlib: a graph that marks what is removed and gives its places to what comes next."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.index.feed import DIM
from benchmarks.index.rivals.rival import (
    BREADTH,
    EFFORTS,
    LINKS,
    Brands,
    Keys,
    Offers,
    Vectors,
    package,
    padded,
    threads,
)
from index_store.store import NO_BLOCK


class Hnswlib:
    """A search for a brand asks a Python function about every offer it meets: hnswlib has no other filter."""

    title = "hnswlib"
    settings = f"f32, M {LINKS}, efConstruction {BREADTH}, removed places are used again"
    branded = True
    changes = True
    efforts = EFFORTS
    effort = 64

    def __init__(self, folder: Path) -> None:
        self.version = version("hnswlib")
        self._index: Any = package("hnswlib").Index(space="ip", dim=DIM)
        self._brands: dict[int, int] = {}
        self._free = 0

    def build(self, offers: Offers) -> None:
        """See `Rival.build`."""
        self._index.init_index(offers.count, M=LINKS, ef_construction=BREADTH, allow_replace_deleted=True)
        self._index.set_num_threads(threads())
        for keys, vectors, brands in offers.chunks():
            self.upsert(keys, vectors, brands)

    def search(self, queries: Vectors, k: int, brands: Brands | None) -> Keys:
        """See `Rival.search`."""
        self._index.set_ef(max(self.effort, k))
        if brands is None:
            found: Keys = self._index.knn_query(queries, k)[0].astype(np.int64)
            return found
        return padded([self._of_brand(query, k, int(brand)) for query, brand in zip(queries, brands, strict=True)], k)

    def upsert(self, keys: Keys, vectors: Vectors, brands: Brands) -> None:
        """See `Rival.upsert`."""
        known = np.fromiter((key in self._brands for key in keys.tolist()), bool, len(keys))
        fresh = np.flatnonzero(~known)
        reused, added = fresh[: self._free], fresh[self._free :]
        most, count = self._index.get_max_elements(), self._index.get_current_count()
        if count + len(added) > most:
            self._index.resize_index(count + len(added) + most // 20)
        for rows, replace in ((np.flatnonzero(known), False), (reused, True), (added, False)):
            if len(rows):
                self._index.add_items(vectors[rows], keys[rows], replace_deleted=replace)
        self._free -= len(reused)
        self._brands.update(zip(keys.tolist(), brands.tolist(), strict=True))

    def remove(self, keys: Keys) -> None:
        """See `Rival.remove`."""
        for key in keys.tolist():
            self._index.mark_deleted(key)
            del self._brands[key]
        self._free += len(keys)

    def processes(self) -> tuple[int, ...]:
        """See `Rival.processes`."""
        return (os.getpid(),)

    def close(self) -> None:
        """See `Rival.close`."""
        self._index = None

    def _of_brand(self, query: Any, k: int, brand: int) -> list[int]:
        def allowed(key: int) -> bool:
            return self._brands[key] in (NO_BLOCK, brand)

        try:
            keys, _ = self._index.knn_query(query[None], k, num_threads=1, filter=allowed)
        except RuntimeError:  # fewer than k were found, which it does not hand out
            return []
        result: list[int] = keys[0].astype(np.int64).tolist()
        return result
