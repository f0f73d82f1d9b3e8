"""The recall probe: what it says is what counting by hand gives, also while the index changes under it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.index.feed import DIM, make_feed
from index_store.cells import recall
from index_store.cells.search import Effort, search
from index_store.cells.store import CellStore
from index_store.flat import FlatStore
from index_store.store import ANY_BLOCK, Rows

OFFERS = 6000
FEED = make_feed(OFFERS, seed=5)
POOR = Effort(probes=1, kept=1, fetch=10, fetch_kept=10, rank=10)
THOROUGH = Effort(probes=10**6, kept=10**6, fetch=4096, fetch_kept=8192, rank=4096)


def rows(first: int, end: int) -> Rows:
    keys = np.arange(first, end)
    return keys, FEED.vectors[keys].astype(np.float32), FEED.sellers[keys], (keys % 3 - 1).astype(np.int32)


def searching(monkeypatch: pytest.MonkeyPatch, effort: Effort) -> None:
    monkeypatch.setattr("index_store.cells.search._MOST_TIMES", 1)  # cells are small here
    monkeypatch.setattr(recall, "search", lambda index, asked, k, terms: search(index, asked, k, terms, effort))


def filled(count: int, **more: Any) -> CellStore:
    store = CellStore(DIM, exact_below=1000, **more)
    store.load([rows(0, count)])
    return store


@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_the_share_of_the_exact_best_that_a_search_finds(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    searching(monkeypatch, POOR)
    store, flat = filled(OFFERS), FlatStore(DIM)
    flat.upsert(*rows(0, OFFERS))
    (found,) = [step for step in store.probe(40, 5, seed=seed) if step is not None]
    cells = store._stages.cells
    assert cells is not None
    chosen = np.random.default_rng(seed).choice(OFFERS, 40, replace=False)
    asked, blocks = cells.entries.exact(chosen), cells.lists.blocks_of(chosen)
    allowed = np.where(blocks == -1, ANY_BLOCK, blocks)[:, None]
    exact = flat.search(asked, 5, blocks=allowed)
    rough = store.search(asked, 5, blocks=allowed, effort=POOR)
    assert found.recall == (rough.scores >= exact.scores[:, -1:]).mean()
    assert found.recall < 1, "such a search misses some"
    store.close()


def test_what_comes_and_goes_meanwhile_counts_neither_as_missed_nor_as_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a search that misses nothing the result must be 1; entries move whenever others are removed."""
    searching(monkeypatch, THOROUGH)
    store = filled(4000)
    draws = np.random.default_rng(0)
    added = 4000
    for step, found in enumerate(store.probe(30, seed=7)):
        if found is None and step < 12:
            store.remove(draws.choice(4000, 120))
            store.upsert(*rows(added, added + 150))
            added += 150
    assert found is not None
    assert (found.queries, found.k, found.recall) == (30, 10, 1.0)
    store.close()


def test_a_step_compares_no_more_than_so_many_entries_or_makes_one_search() -> None:
    store = filled(OFFERS)
    assert sum(1 for _ in store.probe(3)) == -(-OFFERS // recall._ROWS) + 3
    store.close()


def test_an_exact_index_finds_everything_and_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store = CellStore(DIM, exact_below=1000)
    (empty,) = store.probe(10)
    assert empty == recall.Probe(0, 10, 1.0)
    store.upsert(*rows(0, 100))
    (few,) = store.probe(10)
    assert few == recall.Probe(10, 10, 1.0)
    store.close()
    searching(monkeypatch, POOR)
    store = filled(OFFERS)
    steps = store.probe(10)
    assert next(steps) is None
    store.remove(np.arange(OFFERS - 100))
    assert list(steps) == [recall.Probe(10, 10, 1.0)], "it became exact meanwhile"
    store.close()
