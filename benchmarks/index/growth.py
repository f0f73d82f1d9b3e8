"""What a search costs in a large index against a small one: both filled, then asked in turns, in one process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from benchmarks.index.cases import Case, K, exact, make_cases, recall
from benchmarks.index.feed import DIM, Feed, make_feed
from benchmarks.index.run import ASKING, BATCH, label
from benchmarks.results import Benchmark, Result, compared, machine, versions
from index_store.cells.store import CellStore
from index_store.store import Hits, Rows

_CHUNK: Final = 16_384
_CASES: Final = {
    "all": "search_all",
    "two_thirds_missing_independent": "search_with_brand",
    "tenth_missing_tied": "search_branded_feed",
}


def bench_growth(small: int, large: int, rounds: int, folder: Path) -> Benchmark:
    """Processor milliseconds per search of all threads, medians over `rounds`, and the recall of the large one.

    Needs 600 bytes of memory for each offer, and 1 KB in `folder`. Raises `ValueError` unless small < large.
    """
    if not small < large:
        raise ValueError(f"expected a small and a large number of offers, got {small:,} and {large:,}")
    results: list[Result] = []
    indexes = [_Filled(size, folder / label(size)) for size in (small, large)]
    try:
        for name, shown in _CASES.items():
            for one in indexes:
                one.take(name)
            costs: list[list[float]] = [[], []]
            for turn in range(rounds + 1):
                for one, cost in zip(indexes, costs, strict=True):
                    spent = one.search()
                    if turn:  # the first one warms up
                        cost.append(spent)
            ours, reference = median(costs[1]), median(costs[0])
            results += [
                compared(
                    f"{shown}_cost_{label(large)}", ours, reference, f"at {label(small)}", "processor ms a search"
                ),
                compared(f"recall_{shown}_{label(large)}", indexes[1].recall(), 1.0, "exact", "share"),
            ]
    finally:
        for one in indexes:
            one.store.close()
    return Benchmark(results=tuple(results), machine=machine(), versions=versions("faiss-cpu", "numpy"))


class _Filled:
    """An index of one size, and what it is asked."""

    def __init__(self, size: int, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._size = size
        self._feed: Feed = make_feed(size + ASKING, seed=size, file=folder / "feed.f16")
        self._cases = {case.name: case for case in make_cases(self._feed, ASKING, seed=size + 1)}
        self._case: Case = self._cases["all"]
        self._filled_with: Case | None = None
        self.store = CellStore(DIM, folder / "cells")

    def take(self, name: str) -> None:
        """From now on it is asked this case, and holds its brands."""
        self._case = self._cases[name]
        if self._filled_with is None:
            self.store.load(self._rows())
        elif self._filled_with.blocks is not self._case.blocks:
            for rows in self._rows():
                self.store.upsert(*rows)
        self._filled_with = self._case

    def search(self) -> float:
        """Processor milliseconds per search, in batches."""
        begun = time.process_time()
        self._found()
        return 1000 * (time.process_time() - begun) / len(self._case.asked)

    def recall(self) -> float:
        """Recall of the ten nearest, against all."""
        return recall(self._found(), exact(self._feed.vectors, np.arange(self._size), self._case))

    def _found(self) -> Hits:
        case, parts = self._case, []
        for start in range(0, len(case.asked), BATCH):
            part = slice(start, start + BATCH)
            allowed = None if case.allowed is None else case.allowed[part]
            parts.append(self.store.search(case.asked[part], K, blocks=allowed))
        return Hits(np.concatenate([part.keys for part in parts]), np.concatenate([part.scores for part in parts]))

    def _rows(self) -> Iterator[Rows]:
        for start in range(0, self._size, _CHUNK):
            keys = np.arange(start, min(start + _CHUNK, self._size))
            vectors = self._feed.vectors[keys].astype(np.float32)
            yield keys, vectors, self._feed.sellers[keys], self._case.blocks[keys]
