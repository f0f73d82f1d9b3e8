"""What every index store does, on a real Weaviate: one node, and three that each hold a replica of everything."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from index_store.errors import StateLocked, StateMismatch
from index_store.flat import FlatStore
from index_store.store import ANY_BLOCK, NO_BLOCK, NO_SELLER, IndexStore
from index_store.weaviate.errors import WeaviateMismatch
from index_store.weaviate.settings import WeaviateSettings
from index_store.weaviate.store import WeaviateStore
from tests.examples import examples
from tests.index_store.test_index_stores import (  # noqa: F401
    Oracle,
    assert_same,
    codes_of,
    keys_of,
    machine_of,
    test_a_bad_search_is_refused,
    test_a_bad_upsert_is_refused_and_changes_nothing,
    test_a_closed_store_refuses_work,
    test_a_dimension_below_one_is_refused,
    test_a_replacement_may_change_block_and_seller,
    test_a_score_is_the_same_bits_in_every_batch_and_at_every_place,
    test_an_empty_index_and_an_empty_batch_are_answered,
    test_bad_allowed_blocks_are_refused,
    test_bad_blocks_of_entries_are_refused,
    test_bad_keys_are_refused_in_removal_and_reconstruction,
    test_entries_of_allowed_blocks_and_of_none_are_found_until_there_are_k,
    test_offers_without_seller_are_found_by_offers_without_seller,
    test_own_seller_is_passed_over_until_k_others_are_found,
    test_the_later_of_two_rows_with_one_key_stays,
    test_unknown_keys_are_ignored_in_removal_and_nan_in_reconstruction,
    unit_vectors,
)

pytestmark = [pytest.mark.weaviate, pytest.mark.slow]

Settings = Callable[..., WeaviateSettings]


@pytest.fixture(scope="module", params=["one", "three"])
def with_settings(request: pytest.FixtureRequest) -> Settings:
    """Settings for a cluster of this size."""
    if request.param == "one":
        url, replicas = request.getfixturevalue("weaviate_one"), 1
    else:
        url, replicas = request.getfixturevalue("weaviate_three").url, 3

    def make(**changes: Any) -> WeaviateSettings:
        return WeaviateSettings(**{"url": url, "replicas": replicas, "shards": 1, "deadline": 60.0, **changes})

    return make


@pytest.fixture
def make_store(with_settings: Settings) -> Iterator[Callable[[int], IndexStore]]:
    made: list[WeaviateStore] = []

    def make(dim: int = 4, **changes: Any) -> WeaviateStore:
        made.append(WeaviateStore(dim, with_settings(**changes), None, f"Test{uuid.uuid4().hex[:12]}"))
        return made[-1]

    yield make
    for store in made:
        store.close()


def test_any_sequence_of_calls_and_restarts_gives_the_results_of_the_naive_store(with_settings: Settings) -> None:
    def open_in(folder: Path, rows: Any) -> IndexStore:
        store = WeaviateStore(4, with_settings(), folder, "Sequences")
        store.load(rows)
        return store

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine_of(open_in), settings=settings(max_examples=examples(6), stateful_step_count=12, deadline=None)
    )


def families(seed: int, rows: int, dim: int) -> tuple[Any, Any, Any, Any]:
    """Keys, vectors, sellers and blocks with families, twins, a large seller and many entries without block."""
    random = np.random.default_rng(seed)
    vectors = unit_vectors(seed, 20, dim)[random.integers(0, 20, rows)] + 0.1 * unit_vectors(seed + 1, rows, dim)
    vectors = vectors.astype(np.float16).astype(np.float32)
    vectors[: rows // 8] = vectors[rows // 8 : 2 * (rows // 8)]
    keys = random.permutation(10 * rows)[:rows].astype(np.int64)
    sellers = np.minimum(random.zipf(1.5, rows) - 1, 20).astype(np.int32)
    blocks = np.where(random.random(rows) < 0.5, NO_BLOCK, random.zipf(1.5, rows) % 50).astype(np.int32)
    return keys, vectors, sellers, blocks


@pytest.mark.parametrize("compression", ["none", "rq"])
def test_results_among_thousands_are_those_of_the_exact_store(make_store: Any, compression: str) -> None:
    keys, vectors, sellers, blocks = families(3, 2000, 64)
    store, exact = make_store(64, compression=compression), FlatStore(64)
    for target in (store, exact):
        target.upsert(keys, vectors, sellers, blocks)
        target.remove(keys[100:150])
        target.upsert(keys[600:700], vectors[700:800], sellers[600:700], blocks[500:600])
    queries = vectors[::100]
    asked_by = np.array([0, 1, 2, NO_SELLER, 99] * 4, np.int32)
    asked = np.stack([blocks[:20], blocks[20:40]], axis=1)
    asked[3] = ANY_BLOCK, NO_BLOCK
    for k in (1, 10, 40):
        found = store.search(queries, k, not_sellers=asked_by)
        wanted = exact.search(queries, k, not_sellers=asked_by)
        near_by = store.search(queries, k, not_sellers=asked_by, blocks=asked)
        wanted_near_by = exact.search(queries, k, not_sellers=asked_by, blocks=asked)
        if compression == "none":
            assert_same(found, wanted)
            assert_same(near_by, wanted_near_by)
        else:
            assert (found.scores >= wanted.scores[:, -1:]).mean() > 0.98
            assert (near_by.scores >= wanted_near_by.scores[:, -1:]).mean() > 0.98


def test_beyond_the_exact_size_the_graph_finds_nearly_all(make_store: Any) -> None:
    keys, vectors, sellers, blocks = families(5, 3000, 64)
    store, exact = make_store(64, exact_below=0), FlatStore(64)
    for target in (store, exact):
        target.upsert(keys, vectors, sellers, blocks)
        target.remove(keys[::3])
    found = store.search(vectors[:100], 10, not_sellers=sellers[:100])
    wanted = exact.search(vectors[:100], 10, not_sellers=sellers[:100])
    assert (found.scores >= wanted.scores[:, -1:]).mean() > 0.97


def test_every_write_is_seen_by_the_very_next_search(make_store: Any) -> None:
    store = make_store(64, exact_below=0)
    vectors = unit_vectors(9, 300, 64)
    for key, vector in enumerate(vectors):
        store.upsert(keys_of(key), vector[None], codes_of(0))
        assert store.search(vector[None], 1).keys.tolist() == [[key]]
        if key % 3 == 0:
            store.remove(keys_of(key))
            assert store.search(vector[None], 1).keys.tolist() != [[key]]


def test_what_is_removed_or_replaced_leaves_the_cluster(make_store: Any) -> None:
    store = make_store(64)
    vectors = unit_vectors(1, 500, 64)
    store.upsert(np.arange(500), vectors, np.zeros(500, np.int32))
    full = store.memory_bytes()
    store.upsert(np.arange(100), vectors[100:200], np.zeros(100, np.int32))
    store.remove(np.arange(50, 500))
    assert store._collection.count() == 50
    assert store.memory_bytes() == full / 10
    assert store.audit() == ()


def chunks_of(store: FlatStore) -> Any:
    keys = np.sort(store.keys())
    return [store.entries(part) for part in np.array_split(keys, 3)]


def test_a_restart_finds_everything_and_sends_only_what_changed(with_settings: Settings, tmp_path: Path) -> None:
    keys, vectors, sellers, blocks = families(7, 300, 64)
    truth = FlatStore(64)
    truth.upsert(keys, vectors, sellers, blocks)
    store = WeaviateStore(64, with_settings(), tmp_path)
    assert store.load(chunks_of(truth)) == 300
    name = store.collection
    store.close()
    truth.upsert(keys[:10], vectors[10:20], sellers[:10], blocks[:10])
    truth.upsert(keys[10:15], vectors[10:15], sellers[20:25], blocks[20:25])
    truth.remove(keys[100:120])
    again = WeaviateStore(64, with_settings(), tmp_path)
    assert again.collection == name
    assert len(again) == 300
    assert 10 <= again.load(chunks_of(truth)) <= 15
    assert again.audit() == ()
    assert_same(again.search(vectors, 5), truth.search(vectors, 5))
    again.discard()


def test_a_collection_that_lost_entries_is_filled_again(with_settings: Settings, tmp_path: Path) -> None:
    keys, vectors, sellers, blocks = families(7, 60, 64)
    store = WeaviateStore(64, with_settings(), tmp_path)
    store.upsert(keys, vectors, sellers, blocks)
    store._collection.delete()
    store.close()
    again = WeaviateStore(64, with_settings(), tmp_path)
    assert len(again) == 0
    assert again.load([(keys, vectors, sellers, blocks)]) == 60
    assert again.audit() == ()
    again.discard()


def test_audit_finds_what_is_missing_changed_and_unknown(make_store: Any) -> None:
    from weaviate.classes.config import ConsistencyLevel

    store = make_store(4)
    store.upsert(np.arange(3), np.eye(4, dtype=np.float32)[:3], np.zeros(3, np.int32))
    found = store._directory.find(np.arange(3))
    store._collection.delete_objects([(0, int(found.generations[0]))], ConsistencyLevel.ALL)
    store._directory.find(keys_of(1))
    store._directory._connection.execute("UPDATE entries SET seller = 7 WHERE key = 1")
    problems = " ".join(store.audit())
    assert "1 entries are missing" in problems
    assert "1 entries differ" in problems


def test_a_late_write_of_an_entry_that_was_since_replaced_changes_nothing(make_store: Any) -> None:
    from weaviate.classes.config import ConsistencyLevel

    store = make_store(4)
    rows = np.eye(4, dtype=np.float32)
    store.upsert(keys_of(1), rows[:1], codes_of(0))
    before = store._directory.find(keys_of(1))
    store.upsert(keys_of(1), rows[1:2], codes_of(0))
    again = lambda _keys: before.generations  # noqa: E731
    store._collection.send(before, ConsistencyLevel.ALL, again)  # as a request does that was on its way for long
    hits = store.search(rows[:1], 1)
    assert (hits.keys.tolist(), hits.scores.tolist()) == ([[1]], [[0.0]])
    store.remove(keys_of(1))
    store._collection.send(before, ConsistencyLevel.ALL, again)
    store.upsert(keys_of(2), rows[2:3], codes_of(0))
    assert store.search(rows[:1], 2).keys.tolist() == [[2, -1]]


def test_another_process_and_another_dimension_are_refused(with_settings: Settings, tmp_path: Path) -> None:
    store = WeaviateStore(4, with_settings(), tmp_path)
    with pytest.raises(StateLocked):
        WeaviateStore(4, with_settings(), tmp_path)
    store.close()
    with pytest.raises(StateMismatch, match="4 dimensions, expected 8"):
        WeaviateStore(8, with_settings(), tmp_path)
    WeaviateStore(4, with_settings(), tmp_path).discard()


def test_other_replicas_than_the_collection_was_made_with_are_refused(weaviate_three: Any, tmp_path: Path) -> None:
    one = WeaviateSettings(url=weaviate_three.url, replicas=1, deadline=60)
    store = WeaviateStore(4, one, tmp_path)
    store.close()
    three = WeaviateSettings(url=weaviate_three.url, replicas=3, deadline=60)
    with pytest.raises(WeaviateMismatch, match="replicas 1, not 3"):
        WeaviateStore(4, three, tmp_path)
    WeaviateStore(4, one, tmp_path).discard()
