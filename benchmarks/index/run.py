"""The run itself: an index is filled, searched in every case, changed by half, searched again, and loaded with both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.index.blocking import blocking
from benchmarks.index.cases import Case, K, exact, make_cases, recall
from benchmarks.index.feed import DIM, make_feed
from benchmarks.index.plain import Flat
from benchmarks.results import Result, compared, interleaved
from index_store.cells.store import CellStore
from index_store.store import Hits, Keys, Rows, Vectors
from matcher.clock import Clock

ASKING: Final = 1024
BATCH: Final = 64
LARGE_BATCH: Final = 1000
_CHUNK: Final = 16_384
_FLAT_QUERIES: Final = BATCH  # comparing with all is slow: as many as one batch
_FLAT_CHANGES: Final = 4  # batches; each moves all vectors behind the first that is removed
_MIXED_ROUNDS: Final = 16
_LARGE: Final = 2_000_000
"""Larger sizes go through fewer cases, and Flat has a sample of so many offers: all would not fit in memory."""
_LARGE_CASES: Final = ("all", "two_thirds_missing_independent", "tenth_missing_tied")
_FLAT_BYTES: Final = 4 * DIM + 8
_SEARCHES: Final = {
    "search_all": ("all",),
    "search_with_brand": ("two_thirds_missing_tied", "two_thirds_missing_independent"),
    "search_third_missing": ("third_missing_tied", "third_missing_independent"),
    "search_branded_feed": ("tenth_missing_tied", "tenth_missing_independent"),
}
"""Results by the cases they are the lowest of."""


def label(size: int) -> str:
    """How the names of results end: 10k, 1m."""
    return f"{size // 1_000_000}m" if size >= 1_000_000 else f"{size // 1000}k"


def measure_alone(size: int, rounds: int, clock: Clock, folder: Path) -> tuple[Result, ...]:
    """One size of at least `LARGE_BATCH`; rates are medians over `rounds`, FAISS Flat takes turns with ours. Needs 3 KB
    of memory for each offer up to 2 million, 500 bytes for each one more, and 1 KB in `folder`."""
    return tuple(_Size(size, rounds, clock, folder / f"bench-{size}").run())


class _Size:
    """One size. The feed holds half as many offers again, which come in the changes."""

    def __init__(self, size: int, rounds: int, clock: Clock, folder: Path) -> None:
        self._size, self._rounds, self._clock = size, rounds, clock
        folder.mkdir(parents=True, exist_ok=True)
        self._feed = make_feed(size + size // 2 + ASKING, seed=size, file=folder / "feed.f16")
        self._cases = make_cases(self._feed, ASKING, seed=size + 1)
        if size > _LARGE:
            self._cases = [case for case in self._cases if case.name in _LARGE_CASES]
        self._sample = min(size, _LARGE)  # keys below are in Flat
        self._flat_name = "FAISS Flat" if size <= _LARGE else f"FAISS Flat of {label(_LARGE)}"
        self._keys = np.random.default_rng(size).permutation(size)  # those alive, in the order in which they change
        self._offer_of = np.arange(size)  # by key, its row of the feed
        self._next_offer = size
        self._store = CellStore(DIM, folder / "cells")
        self._plain = Flat()
        self._results: list[Result] = []

    def run(self) -> list[Result]:
        """All results."""
        try:
            self._store.load(self._rows(self._cases[0], np.arange(self._size)))
            for keys, vectors, _, blocks in self._rows(self._cases[0], np.arange(self._sample)):
                self._plain.add(keys, vectors, blocks)
            before = self._searches("")
            self._result("bytes_per_offer", self._store.memory_bytes() / self._size, _FLAT_BYTES, "bytes")
            self._changes()
            after = self._searches("_changed")
            self._result("bytes_per_offer_changed", self._store.memory_bytes() / len(self._store), _FLAT_BYTES, "bytes")
            self._result("recall_at_10", min(before, after), 1.0, "share")
            self._mixed()
            self._blocking()
        finally:
            self._store.close()
        return self._results

    def _searches(self, suffix: str) -> float:
        """Every case; returns the lowest recall of all."""
        rates, recalls = {}, {}
        for case in self._cases:
            for rows in self._rows(case, self._keys):
                self._store.upsert(*rows)
            best = exact(self._feed.vectors, self._offer_of[self._keys], case)
            recalls[case.name] = recall(self._found(case), best)
            # Flat searches everything also where there are brands: it has none.
            flat = partial(self._plain.search, case.asked[:_FLAT_QUERIES], K, None)
            seconds = interleaved([partial(self._found, case), flat], self._rounds, self._clock)
            rates[case.name] = len(case.asked) / seconds[0], _FLAT_QUERIES / seconds[1]
        for name, all_cases in _SEARCHES.items():
            cases = [case for case in all_cases if case in rates]
            if not cases:
                continue
            slowest = min(cases, key=lambda case: rates[case][0])
            self._result(f"{name}{suffix}", *rates[slowest], "searches/s")
            lowest = min(recalls[case] for case in cases)
            self._result(f"recall_{name.removeprefix('search_')}{suffix}", lowest, 1.0, "share")
        return min(recalls.values())

    def _found(self, case: Case) -> Hits:
        parts = []
        for start in range(0, len(case.asked), BATCH):
            part = slice(start, start + BATCH)
            allowed = None if case.allowed is None else case.allowed[part]
            parts.append(self._store.search(case.asked[part], K, blocks=allowed))
        return Hits(np.concatenate([part.keys for part in parts]), np.concatenate([part.scores for part in parts]))

    def _rows(self, case: Case, keys: Keys) -> Iterator[Rows]:
        """What the index holds of these keys."""
        for start in range(0, len(keys), _CHUNK):
            part = keys[start : start + _CHUNK]
            offers = self._offer_of[part]
            vectors = self._feed.vectors[offers].astype(np.float32)
            yield part, vectors, self._feed.sellers[offers], case.blocks[offers]

    def _changes(self) -> None:
        """Two fifths get other offers, a tenth goes."""
        tenth = self._size // 10
        small, large, gone = self._keys[:tenth], self._keys[tenth : 4 * tenth], self._keys[4 * tenth : 5 * tenth]
        for name, keys, batch in (("upsert_small", small, BATCH), ("upsert", large, LARGE_BATCH)):
            self._offer_of[keys] = np.arange(self._next_offer, self._next_offer + len(keys))
            self._next_offer += len(keys)
            ours = self._replace(keys, batch, self._store.upsert)
            few = keys[keys < self._sample][: _FLAT_CHANGES * batch]
            reference = self._replace(
                few, batch, lambda keys, vectors, _, brands: self._plain.upsert(keys, vectors, brands)
            )
            self._result(name, ours, reference, "upserts/s")
        begun = self._clock.monotonic()
        for start in range(0, len(gone), LARGE_BATCH):
            self._store.remove(gone[start : start + LARGE_BATCH])
        seconds = self._clock.monotonic() - begun
        begun = self._clock.monotonic()
        self._plain.remove(gone[gone < self._sample][:LARGE_BATCH])
        reference = LARGE_BATCH / (self._clock.monotonic() - begun)
        self._result("remove", len(gone) / seconds, reference, "removals/s")
        self._keys = np.setdiff1d(self._keys, gone)
        self._plain.remove(gone[gone < self._sample])
        changed = np.concatenate([small, large])
        changed = changed[changed < self._sample]
        for keys, vectors, _, brands in self._rows(self._cases[0], changed):
            self._plain.upsert(keys, vectors, brands)

    def _replace(self, keys: Keys, batch: int, upsert: Callable[..., object]) -> float:
        """Keys a second."""
        case, seconds = self._cases[0], 0.0
        for start in range(0, len(keys), batch):
            part = keys[start : start + batch]
            offers = self._offer_of[part]
            rows = self._vectors(part), self._feed.sellers[offers], case.blocks[offers]
            begun = self._clock.monotonic()
            upsert(part, *rows)
            seconds += self._clock.monotonic() - begun
        return len(keys) / seconds

    def _vectors(self, keys: Keys) -> Vectors:
        return self._feed.vectors[self._offer_of[keys]].astype(np.float32)

    def _mixed(self) -> None:
        """Per round a batch of searches, one of upserts, and one of removals that are put back by the next upserts."""
        case, random = self._cases[0], np.random.default_rng(0)
        rounds = [random.choice(self._keys, BATCH, replace=False) for _ in range(_MIXED_ROUNDS)]

        def ours() -> None:
            for keys in rounds:
                self._store.search(case.asked[:BATCH], K)
                self._store.remove(keys)
                offers = self._offer_of[keys]
                self._store.upsert(keys, self._vectors(keys), self._feed.sellers[offers], case.blocks[offers])

        def reference(keys: Keys) -> None:
            self._plain.search(case.asked[:BATCH], K, None)
            self._plain.upsert(keys, self._vectors(keys), case.blocks[self._offer_of[keys]])

        seconds = interleaved([ours, partial(reference, rounds[0])], 1, self._clock)
        operations = 3 * BATCH
        self._result("mixed", _MIXED_ROUNDS * operations / seconds[0], operations / seconds[1], "operations/s")

    def _blocking(self) -> None:
        """What brands cost, whichever index looks for them."""
        found = blocking(self._feed, self._offer_of[self._keys], ASKING, seed=self._size + 2)
        pairs = "conflicting, where both have a brand"
        self._result("same_product_excluded", found.excluded, found.conflicting, "share of pairs", pairs)
        self._result("same_product_at_10", found.found, found.found_free, "share of pairs", "without blocks")

    def _result(self, name: str, ours: float, reference: float, unit: str, reference_name: str | None = None) -> None:
        title = reference_name or self._flat_name
        self._results.append(compared(f"{name}_{label(self._size)}", ours, reference, title, unit))
