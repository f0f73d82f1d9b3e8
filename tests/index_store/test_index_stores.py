"""What every index store does, held against a naive one; a new store joins the suite by a line in `STORES`.

The cells are here with a search that looks at everything it has, so that their results must be exact too: what is
tested is that no entry is lost, doubled or mistaken for another. What a search of normal effort finds is tested in
`test_cells_recall.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from index_store.cells.search import Effort
from index_store.cells.store import CellStore
from index_store.flat import FlatStore
from index_store.store import ANY_BLOCK, NO_BLOCK, NO_SELLER, Hits, IndexStore, Rows
from tests.examples import examples

EVERYTHING = Effort(probes=10**6, kept=10**6, fetch=2048, fetch_kept=4096, rank=2048)
LEAST_FOR_CELLS = 24


class ThoroughCells(CellStore):
    """Cells from a few entries on, and every search looks at all of them."""

    def __init__(self, dim: int, folder: Path | None = None) -> None:
        super().__init__(dim, folder, exact_below=LEAST_FOR_CELLS)

    def search(self, queries: Any, k: int, **terms: Any) -> Hits:
        return super().search(queries, k, effort=EVERYTHING, **terms)


STORES: dict[str, Callable[..., IndexStore]] = {"flat": FlatStore, "few": CellStore, "cells": ThoroughCells}
DIM = 4

MakeStore = Callable[[int], IndexStore]
Open = Callable[[Path, Iterable[Rows]], IndexStore]
"""Opens what an earlier store left in a folder, and loads these entries."""


def opener_of(name: str) -> Open:
    def open_in(folder: Path, rows: Iterable[Rows]) -> IndexStore:
        if STORES[name] is FlatStore:  # it has nothing on disk
            flat = FlatStore(DIM)
            for part in rows:
                flat.upsert(*part)
            return flat
        store = STORES[name](DIM, folder)
        assert isinstance(store, CellStore)
        store.load(rows)
        return store

    return open_in


@pytest.fixture(params=STORES)
def make_store(request: pytest.FixtureRequest) -> Iterator[MakeStore]:
    made: list[IndexStore] = []

    def make(dim: int = DIM) -> IndexStore:
        made.append(STORES[request.param](dim))
        return made[-1]

    yield make
    for store in made:
        store.close()


class Oracle:
    """The same behaviour by Python loops: every pair by itself, summed in double precision."""

    def __init__(self) -> None:
        self.entries: dict[int, tuple[npt.NDArray[np.float32], int, int]] = {}

    def upsert(self, keys: Any, vectors: Any, sellers: Any, blocks: Any = None) -> None:
        codes = [NO_BLOCK] * len(keys) if blocks is None else blocks.tolist()
        for key, vector, seller, block in zip(keys.tolist(), vectors, sellers.tolist(), codes, strict=True):
            self.entries[key] = (vector, seller, block)

    def remove(self, keys: Any) -> int:
        return sum(self.entries.pop(key, None) is not None for key in keys.tolist())

    def rows(self) -> Iterator[Rows]:
        """All entries in two parts, as a state has them."""
        keys = sorted(self.entries)
        for part in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):
            if part:
                vectors, sellers, blocks = zip(*(self.entries[key] for key in part), strict=True)
                yield keys_of(*part), np.stack(vectors), codes_of(*sellers), codes_of(*blocks)

    def search(self, queries: Any, k: int, not_sellers: Any = None, blocks: Any = None) -> Hits:
        keys = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        for row, query in enumerate(queries):
            found = []
            for key, (vector, seller, block) in self.entries.items():
                foreign = not_sellers is None or not_sellers[row] == NO_SELLER or not_sellers[row] != seller
                asked = [ANY_BLOCK] if blocks is None else blocks[row].tolist()
                if foreign and (ANY_BLOCK in asked or block == NO_BLOCK or block in asked):
                    score = np.float32(np.dot(query.astype(np.float64), vector.astype(np.float64)))
                    found.append((-score, key))
            for column, (score, key) in enumerate(sorted(found)[:k]):
                keys[row, column] = key
                scores[row, column] = -score
        return Hits(keys, scores)


def assert_same(actual: Hits, expected: Hits) -> None:
    np.testing.assert_array_equal(actual.scores, expected.scores)
    np.testing.assert_array_equal(actual.keys, expected.keys)
    assert actual.keys.dtype == np.int64
    assert actual.scores.dtype == np.float32


def keys_of(*keys: int) -> npt.NDArray[np.int64]:
    return np.array(keys, dtype=np.int64)


def codes_of(*codes: int) -> npt.NDArray[np.int32]:
    return np.array(codes, dtype=np.int32)


def unit_vectors(seed: int, rows: int, dim: int) -> npt.NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal((rows, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16).astype(np.float32)


# Few values, so that equal vectors and equal scores of different vectors are common.
grid_vectors = st.lists(
    st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=DIM, max_size=DIM), min_size=1, max_size=30
).map(lambda rows: np.array(rows, dtype=np.float32))
some_keys = st.integers(0, 60) | st.sampled_from([2**40, 2**63 - 1])
some_sellers = st.integers(NO_SELLER, 3)
some_blocks = st.integers(NO_BLOCK, 3)
asked_blocks = st.just([ANY_BLOCK, NO_BLOCK]) | st.lists(some_blocks, min_size=2, max_size=2)


def machine_of(open_in: Open) -> type[RuleBasedStateMachine]:
    """Sequences of calls, held against the oracle; the store may be closed, and opened on what it left behind."""

    class Sequences(RuleBasedStateMachine):
        @initialize()
        def start(self) -> None:
            self.folder = tempfile.TemporaryDirectory()
            self.oracle = Oracle()
            self.store = open_in(Path(self.folder.name), ())

        def changed(self, vectors: Any, data: st.DataObject, *targets: Any) -> None:
            n = len(vectors)
            keys = keys_of(*data.draw(st.lists(some_keys, min_size=n, max_size=n)))
            sellers = codes_of(*data.draw(st.lists(some_sellers, min_size=n, max_size=n)))
            blocks = codes_of(*data.draw(st.lists(some_blocks, min_size=n, max_size=n)))
            for target in targets:
                target.upsert(keys, vectors, sellers, blocks)

        @rule(vectors=grid_vectors, data=st.data())
        def upsert(self, vectors: Any, data: st.DataObject) -> None:
            self.changed(vectors, data, self.store, self.oracle)

        @rule(keys=st.lists(some_keys, max_size=30))
        def remove(self, keys: list[int]) -> None:
            assert self.store.remove(keys_of(*keys)) == self.oracle.remove(keys_of(*keys))

        @rule(missed=st.none() | grid_vectors, gone=st.lists(some_keys, max_size=5), data=st.data())
        def restart(self, missed: Any, gone: list[int], data: st.DataObject) -> None:
            """The state may be ahead of the index, as after a crash between the two."""
            self.store.close()
            if missed is not None:
                self.changed(missed, data, self.oracle)
            self.oracle.remove(keys_of(*gone))
            self.store = open_in(Path(self.folder.name), self.oracle.rows())

        @rule(queries=grid_vectors, k=st.integers(1, 12), data=st.data())
        def search(self, queries: Any, k: int, data: st.DataObject) -> None:
            n = len(queries)
            sellers = data.draw(st.none() | st.lists(some_sellers, min_size=n, max_size=n))
            codes = None if sellers is None else codes_of(*sellers)
            asked = data.draw(st.none() | st.lists(asked_blocks, min_size=n, max_size=n))
            blocks = None if asked is None else np.array(asked, np.int32)
            found = self.store.search(queries, k, not_sellers=codes, blocks=blocks)
            assert_same(found, self.oracle.search(queries, k, codes, blocks))

        @invariant()
        def same_entries(self) -> None:
            entries = self.oracle.entries
            assert len(self.store) == len(entries)
            if entries:
                stored = self.store.reconstruct(keys_of(*entries))
                np.testing.assert_array_equal(stored, [vector for vector, _, _ in entries.values()])
                labels = np.stack(self.store.labels(keys_of(*entries)), axis=1)
                np.testing.assert_array_equal(labels, [label for _, *label in entries.values()])

        def teardown(self) -> None:
            if hasattr(self, "store"):
                getattr(self.store, "discard", self.store.close)()
                self.folder.cleanup()

    return Sequences


@pytest.mark.parametrize("name", STORES)
def test_any_sequence_of_calls_gives_the_results_of_the_naive_store(name: str) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine_of(opener_of(name)), settings=settings(max_examples=examples(25), stateful_step_count=20, deadline=None)
    )


@pytest.mark.parametrize("name", STORES)
@settings(max_examples=examples(5), deadline=None)
@given(seed=st.integers(0, 2**32 - 1), dim=st.sampled_from([1, 3, 64, 192]))
def test_results_among_thousands_are_exact_with_families_twins_and_sellers(name: str, seed: int, dim: int) -> None:
    random = np.random.default_rng(seed)
    families = unit_vectors(seed, 20, dim)
    vectors = families[random.integers(0, 20, 1500)] + 0.1 * unit_vectors(seed + 1, 1500, dim)
    vectors = vectors.astype(np.float16).astype(np.float32)
    vectors[:200] = vectors[200:400]  # twins, and three dozen of one kind
    vectors[400:440] = vectors[440]
    keys = random.permutation(10_000)[:1500].astype(np.int64)
    # One seller holds most of the first families: its own offers have to be passed over in great number.
    sellers = np.minimum(random.zipf(1.5, 1500) - 1, 20).astype(np.int32)
    blocks = np.where(random.random(1500) < 0.5, NO_BLOCK, random.zipf(1.5, 1500) % 50).astype(np.int32)
    store, oracle = STORES[name](dim), Oracle()
    for target in (store, oracle):
        for start in range(0, 1500, 250):
            part = slice(start, start + 250)
            target.upsert(keys[part], vectors[part], sellers[part], blocks[part])
        target.remove(keys[100:150])
        target.upsert(keys[600:700], vectors[700:800], sellers[600:700], blocks[500:600])
    queries = vectors[random.integers(0, 1500, 12)]
    queries[0] = vectors[440]
    asked_by = np.array([0, 0, 0, 0, 1, 1, 2, 3, NO_SELLER, NO_SELLER, 99, 0], dtype=np.int32)
    for k in (1, 10, 60):
        assert_same(store.search(queries, k, not_sellers=asked_by), oracle.search(queries, k, asked_by))
        asked = np.stack([blocks[:12], blocks[12:24]], axis=1)
        asked[3] = ANY_BLOCK, NO_BLOCK
        found = store.search(queries, k, not_sellers=asked_by, blocks=asked)
        assert_same(found, oracle.search(queries, k, asked_by, asked))
    store.close()


def test_a_score_is_the_same_bits_in_every_batch_and_at_every_place(make_store: MakeStore) -> None:
    vectors = unit_vectors(7, 700, 192)
    store = make_store(192)
    store.upsert(np.arange(700), vectors, np.zeros(700, np.int32))
    together = store.search(vectors[:100], 5)
    store.remove(np.arange(300, 600))
    store.upsert(np.arange(300, 600)[::-1].copy(), vectors[300:600][::-1].copy(), np.zeros(300, np.int32))
    for row in range(100):
        alone = store.search(vectors[row : row + 1], 5)
        np.testing.assert_array_equal(alone.scores[0], together.scores[row])
        np.testing.assert_array_equal(alone.keys[0], together.keys[row])


def test_the_later_of_two_rows_with_one_key_stays(make_store: MakeStore) -> None:
    store = make_store(2)
    rows = np.array([[1, 0], [0, 1], [0.5, 0.5]], np.float32)
    store.upsert(keys_of(5, 6, 5), rows, codes_of(1, 2, 3))
    assert len(store) == 2
    np.testing.assert_array_equal(store.reconstruct(keys_of(5)), rows[2:])
    assert store.search(rows[:1], 1, not_sellers=codes_of(3)).keys.tolist() == [[6]]


def test_own_seller_is_passed_over_until_k_others_are_found(make_store: MakeStore) -> None:
    store = make_store(2)
    mine = np.tile(np.array([[1, 0]], np.float32), (500, 1))
    store.upsert(np.arange(500), mine, np.full(500, 7, np.int32))
    others = np.array([[0.5, 0], [0.25, 0], [-1, 0]], np.float32)
    store.upsert(keys_of(900, 901, 902), others, codes_of(8, NO_SELLER, 9))
    query = np.array([[1, 0]], np.float32)
    assert store.search(query, 3, not_sellers=codes_of(7)).keys.tolist() == [[900, 901, 902]]
    assert store.search(query, 5, not_sellers=codes_of(7)).keys.tolist() == [[900, 901, 902, -1, -1]]
    assert store.search(query, 3, not_sellers=codes_of(NO_SELLER)).keys.tolist() == [[0, 1, 2]]


def test_offers_without_seller_are_found_by_offers_without_seller(make_store: MakeStore) -> None:
    store = make_store(2)
    twins = np.tile(np.array([[1, 0]], np.float32), (500, 1))
    store.upsert(np.arange(500)[::-1].copy(), twins, np.full(500, NO_SELLER, np.int32))
    hits = store.search(twins[:1], 3, not_sellers=codes_of(NO_SELLER))
    assert hits.keys.tolist() == [[0, 1, 2]]


def test_entries_of_allowed_blocks_and_of_none_are_found_until_there_are_k(make_store: MakeStore) -> None:
    store = make_store(2)
    near = np.tile(np.array([[1, 0]], np.float32), (500, 1))
    store.upsert(np.arange(500), near, np.full(500, NO_SELLER, np.int32), np.full(500, 7, np.int32))
    others = np.array([[0.5, 0], [0.25, 0], [0.125, 0], [-1, 0]], np.float32)
    store.upsert(keys_of(900, 901, 902, 903), others, codes_of(1, 1, 2, 2), codes_of(8, NO_BLOCK, 9, 8))
    query = np.array([[1, 0]], np.float32)

    def found(*blocks: int, k: int = 3) -> list[int]:
        return store.search(query, k, blocks=codes_of(*blocks)[None]).keys[0].tolist()

    assert found(8) == [900, 901, 903]
    assert found(8, 9, k=5) == [900, 901, 902, 903, -1]
    assert found(NO_BLOCK) == [901, -1, -1]
    assert found(55) == [901, -1, -1]
    assert found(7) == [0, 1, 2]
    assert found(ANY_BLOCK) == [0, 1, 2]
    both = store.search(query, 3, not_sellers=codes_of(1), blocks=codes_of(8)[None])
    assert both.keys.tolist() == [[903, -1, -1]]


def test_a_replacement_may_change_block_and_seller(make_store: MakeStore) -> None:
    store = make_store(2)
    row = np.array([[1, 0]], np.float32)
    store.upsert(np.arange(40), np.tile(row, (40, 1)), np.zeros(40, np.int32), np.full(40, 3, np.int32))
    store.upsert(keys_of(5), row, codes_of(1), codes_of(4))
    store.upsert(keys_of(6), row, codes_of(1))
    assert store.search(row, 2, blocks=codes_of(4)[None]).keys.tolist() == [[5, 6]]
    assert store.search(row, 2, blocks=codes_of(4)[None], not_sellers=codes_of(1)).keys.tolist() == [[-1, -1]]


def test_an_empty_index_and_an_empty_batch_are_answered(make_store: MakeStore) -> None:
    store = make_store(2)
    query = np.array([[1, 0]], np.float32)
    hits = store.search(query, 2)
    assert hits.keys.tolist() == [[-1, -1]]
    assert np.isneginf(hits.scores).all()
    store.upsert(keys_of(), np.zeros((0, 2), np.float32), codes_of())
    store.upsert(keys_of(3), query, codes_of(0))
    assert store.search(np.zeros((0, 2), np.float32), 2).keys.shape == (0, 2)
    assert store.remove(keys_of()) == 0
    assert store.reconstruct(keys_of()).shape == (0, 2)


def test_unknown_keys_are_ignored_in_removal_and_nan_in_reconstruction(make_store: MakeStore) -> None:
    store = make_store(2)
    store.upsert(keys_of(1, 2), np.eye(2, dtype=np.float32), codes_of(5, 6), codes_of(7, 8))
    assert store.remove(keys_of(9, 1, 1, 2**62)) == 1
    rows = store.reconstruct(keys_of(1, 2))
    assert np.isnan(rows[0]).all()
    assert rows[1].tolist() == [0, 1]
    sellers, blocks = store.labels(keys_of(1, 2, 2**62))
    assert (sellers.tolist(), blocks.tolist()) == ([NO_SELLER, 6, NO_SELLER], [NO_BLOCK, 8, NO_BLOCK])
    assert (sellers.dtype, blocks.dtype) == (np.int32, np.int32)


GOOD = (keys_of(1, 2), np.eye(2, dtype=np.float32), codes_of(0, 0))
BAD_ROWS = [np.array([[0, 1], [0, bad]], np.float32) for bad in (np.nan, np.inf, -np.inf, 70_000)]


@pytest.mark.parametrize(
    ("keys", "vectors", "sellers", "text"),
    [
        (GOOD[0], np.eye(3, dtype=np.float32)[:2], GOOD[2], "2 dimensions, got 3"),
        (GOOD[0], GOOD[1].astype(np.float64), GOOD[2], "dtype float32, got float64"),
        (GOOD[0], GOOD[1][0], GOOD[2], r"shape \(2,\)"),
        (GOOD[0], GOOD[1][:1], GOOD[2], "each of the 2 keys, got 1"),
        (GOOD[0], [[1, 0], [0, 1]], GOOD[2], "NumPy array of float32, got list"),
        *((GOOD[0], rows, GOOD[2], "finite and within ±65504, got .* in row 1, column 1") for rows in BAD_ROWS),
        (keys_of(1, -2), GOOD[1], GOOD[2], "keys must be 0 or greater, got -2"),
        (GOOD[0].astype(np.int32), GOOD[1], GOOD[2], "dtype int64, got int32"),
        (GOOD[0], GOOD[1], codes_of(0), "each of the 2 rows, got 1"),
        (GOOD[0], GOOD[1], codes_of(0, -2), r"-1 \(no seller\) or greater, got -2"),
        (GOOD[0], GOOD[1], GOOD[0], "dtype int32, got int64"),
    ],
)
def test_a_bad_upsert_is_refused_and_changes_nothing(
    make_store: MakeStore, keys: Any, vectors: Any, sellers: Any, text: str
) -> None:
    store = make_store(2)
    store.upsert(keys_of(1), np.array([[0.5, 0.5]], np.float32), codes_of(4))
    with pytest.raises(ValueError, match=text):
        store.upsert(keys, vectors, sellers)
    assert len(store) == 1
    assert store.reconstruct(keys_of(1)).tolist() == [[0.5, 0.5]]
    assert store.search(GOOD[1], 1, not_sellers=codes_of(4, 0)).keys.tolist() == [[-1], [1]]


@pytest.mark.parametrize(
    ("queries", "k", "not_sellers", "text"),
    [
        (GOOD[1], 0, None, "k must be a whole number of at least 1, got 0"),
        (GOOD[1], 1.5, None, "k must be a whole number of at least 1, got 1.5"),
        (np.eye(3, dtype=np.float32), 1, None, "2 dimensions, got 3"),
        (BAD_ROWS[0], 1, None, "finite"),
        (GOOD[1], 1, codes_of(1), "each of the 2 rows, got 1"),
        (GOOD[1], 1, codes_of(1, -5), "greater, got -5"),
    ],
)
def test_a_bad_search_is_refused(make_store: MakeStore, queries: Any, k: Any, not_sellers: Any, text: str) -> None:
    store = make_store(2)
    store.upsert(*GOOD)
    with pytest.raises(ValueError, match=text):
        store.search(queries, k, not_sellers=not_sellers)


@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        (codes_of(1, 2), r"shape \(2,\)"),
        (codes_of(1)[None], "each of the 2 queries, got 1"),
        (np.array([[1], [-3]], np.int32), r"-2 \(any block\) or greater, got -3"),
        (np.array([[1, -2], [1, 1]], np.int32), "must be the first in its row"),
        (np.array([[1], [1]]), "dtype int32, got int64"),
    ],
)
def test_bad_allowed_blocks_are_refused(make_store: MakeStore, blocks: Any, text: str) -> None:
    store = make_store(2)
    store.upsert(*GOOD)
    with pytest.raises(ValueError, match=text):
        store.search(GOOD[1], 1, blocks=blocks)


def test_bad_blocks_of_entries_are_refused(make_store: MakeStore) -> None:
    store = make_store(2)
    for blocks, text in ((codes_of(1), "each of the 2 rows"), (codes_of(1, -2), "got -2"), (keys_of(1, 1), "int64")):
        with pytest.raises(ValueError, match=text):
            store.upsert(*GOOD, blocks)  # type: ignore[arg-type]
    assert len(store) == 0


def test_bad_keys_are_refused_in_removal_and_reconstruction(make_store: MakeStore) -> None:
    store = make_store(2)
    store.upsert(*GOOD)
    with pytest.raises(ValueError, match="got -1"):
        store.remove(keys_of(1, -1))
    with pytest.raises(ValueError, match="dtype int64"):
        store.reconstruct(np.array([1.0]))  # type: ignore[arg-type]
    assert len(store) == 2


@pytest.mark.parametrize("dim", [0, -3, 1.5, True])
def test_a_dimension_below_one_is_refused(make_store: MakeStore, dim: Any) -> None:
    with pytest.raises(ValueError, match="dimension of an index"):
        make_store(dim)


def test_memory_follows_the_number_of_entries_down_as_well_as_up(make_store: MakeStore) -> None:
    store = make_store(64)
    vectors = unit_vectors(1, 20_000, 64)
    empty = store.memory_bytes()
    store.upsert(np.arange(20_000), vectors, np.zeros(20_000, np.int32))
    full = store.memory_bytes()
    assert full >= vectors.nbytes / 4  # a byte a dimension at least
    store.remove(np.arange(19_000))
    assert store.memory_bytes() < full / 4
    np.testing.assert_array_equal(store.reconstruct(np.arange(19_000, 20_000)), vectors[19_000:])
    store.remove(np.arange(20_000))
    assert store.memory_bytes() < empty + full / 4


def test_a_closed_store_refuses_work(make_store: MakeStore) -> None:
    store = make_store(2)
    store.upsert(*GOOD)
    store.close()
    store.close()
    with pytest.raises(ValueError, match="closed"):
        store.search(GOOD[1], 1)
    with pytest.raises(ValueError, match="closed"):
        store.upsert(*GOOD)
