"""USearch: a graph over half-precision vectors. Its Python interface has no filter."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.index.feed import DIM
from benchmarks.index.rivals.rival import BREADTH, EFFORTS, LINKS, Brands, Keys, Offers, Vectors, package, threads


class USearch:
    """An entry is replaced by removing and adding."""

    title = "USearch"
    settings = f"f16, connectivity {LINKS}, expansion_add {BREADTH}"
    branded = False
    changes = True
    efforts = EFFORTS
    effort = 64

    def __init__(self, folder: Path) -> None:
        self.version = version("usearch")
        index = package("usearch.index").Index
        self._index: Any = index(ndim=DIM, metric="ip", dtype="f16", connectivity=LINKS, expansion_add=BREADTH)

    def build(self, offers: Offers) -> None:
        """See `Rival.build`."""
        for keys, vectors, _ in offers.chunks():
            self._index.add(keys, vectors, threads=threads())

    def search(self, queries: Vectors, k: int, brands: Brands | None) -> Keys:
        """See `Rival.search`."""
        self._index.expansion_search = self.effort
        found = self._index.search(queries, k, threads=threads())
        keys: Keys = found.keys.astype(np.int64)
        keys[np.arange(k) >= found.counts[:, None].astype(np.int64)] = -1
        return keys

    def upsert(self, keys: Keys, vectors: Vectors, brands: Brands) -> None:
        """See `Rival.upsert`."""
        self._index.remove(keys[self._index.contains(keys)])
        self._index.add(keys, vectors, threads=threads())

    def remove(self, keys: Keys) -> None:
        """See `Rival.remove`."""
        self._index.remove(keys)

    def processes(self) -> tuple[int, ...]:
        """See `Rival.processes`."""
        return (os.getpid(),)

    def close(self) -> None:
        """See `Rival.close`."""
        self._index = None
