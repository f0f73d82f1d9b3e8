"""Our own index, as the matcher uses it."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.index.feed import DIM
from benchmarks.index.rivals.rival import Brands, Keys, Offers, Vectors
from index_store.cells.search import NORMAL
from index_store.cells.store import CellStore
from index_store.store import NO_SELLER


class Cells:
    """`CellStore`; its effort is the number of cells that a brandless search looks into at most."""

    title = "ours"
    branded = True
    changes = True

    def __init__(self, folder: Path) -> None:
        self.settings = f"8-bit cells, at most {NORMAL.probes} probes, exact re-rank from a mapped file"
        self.version = version("offermatch")
        self.effort = NORMAL.probes
        self.efforts = tuple(sorted({2, 4, 8, 16, 32, 64, NORMAL.probes}))
        self._store = CellStore(DIM, folder / "cells")

    def build(self, offers: Offers) -> None:
        """See `Rival.build`."""
        self._store.load((keys, vectors, _no_sellers(keys), brands) for keys, vectors, brands in offers.chunks())

    def search(self, queries: Vectors, k: int, brands: Brands | None) -> Keys:
        """See `Rival.search`."""
        blocks = None if brands is None else brands[:, None]
        gap = NORMAL.gap * self.effort / NORMAL.probes  # more of them are of use if they may be farther
        effort = replace(NORMAL, probes=self.effort, gap=gap)
        return self._store.search(queries, k, blocks=blocks, effort=effort).keys

    def upsert(self, keys: Keys, vectors: Vectors, brands: Brands) -> None:
        """See `Rival.upsert`."""
        self._store.upsert(keys, vectors, _no_sellers(keys), brands)

    def remove(self, keys: Keys) -> None:
        """See `Rival.remove`."""
        self._store.remove(keys)

    def processes(self) -> tuple[int, ...]:
        """See `Rival.processes`."""
        return (os.getpid(),)

    def close(self) -> None:
        """See `Rival.close`."""
        self._store.close()


def _no_sellers(keys: Keys) -> Brands:
    return np.full(len(keys), NO_SELLER, np.int32)
