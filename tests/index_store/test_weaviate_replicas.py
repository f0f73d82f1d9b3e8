"""Replicas of a Weaviate cluster come and go, and requests arrive late: what the store answers stays the same."""

import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from index_store.weaviate.errors import WeaviateAway
from index_store.weaviate.settings import Consistency, WeaviateSettings
from index_store.weaviate.store import WeaviateStore
from index_store.weaviate.writing import LATE
from tests.examples import examples
from tests.index_store.cluster_in_memory import CollectionInMemory, Replicas
from tests.index_store.test_index_stores import (
    DIM,
    Oracle,
    asked_blocks,
    assert_same,
    codes_of,
    grid_vectors,
    keys_of,
    some_blocks,
    some_keys,
    some_sellers,
    unit_vectors,
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def store_on(replicas: Replicas, folder: Path, clock: Clock, consistency: Consistency, dim: int = DIM) -> WeaviateStore:
    settings = WeaviateSettings(url="http://nowhere", replicas=3, consistency=consistency, deadline=1, searches=2)
    with patch("index_store.weaviate.store.OfferCollection", replicas.collection):
        return WeaviateStore(dim, settings, folder, clock=clock)


def machine_with(consistency: Consistency) -> type[RuleBasedStateMachine]:
    class Outages(RuleBasedStateMachine):
        @initialize(seed=st.integers(0, 1000))
        def start(self, seed: int) -> None:
            self.folder = tempfile.TemporaryDirectory()
            self.clock = Clock()
            self.replicas = Replicas(seed)
            self.oracle = Oracle()
            self.store = store_on(self.replicas, Path(self.folder.name), self.clock, consistency)

        @rule(vectors=grid_vectors, data=st.data())
        def upsert(self, vectors: Any, data: st.DataObject) -> None:
            n = len(vectors)
            keys = keys_of(*data.draw(st.lists(some_keys, min_size=n, max_size=n)))
            sellers = codes_of(*data.draw(st.lists(some_sellers, min_size=n, max_size=n)))
            blocks = codes_of(*data.draw(st.lists(some_blocks, min_size=n, max_size=n)))
            enough = len(self.replicas.away) <= (0 if consistency == "all" else 1)
            try:
                self.store.upsert(keys, vectors, sellers, blocks)
            except WeaviateAway:
                assert not enough
                return
            assert enough
            self.oracle.upsert(keys, vectors, sellers, blocks)

        @rule(keys=st.lists(some_keys, max_size=30))
        def remove(self, keys: list[int]) -> None:
            assert self.store.remove(keys_of(*keys)) == self.oracle.remove(keys_of(*keys))

        @rule(queries=grid_vectors, k=st.integers(1, 12), data=st.data())
        def search(self, queries: Any, k: int, data: st.DataObject) -> None:
            n = len(queries)
            sellers = codes_of(*data.draw(st.lists(some_sellers, min_size=n, max_size=n)))
            blocks = np.array(data.draw(st.lists(asked_blocks, min_size=n, max_size=n)), np.int32)
            if len(self.replicas.away) == 3 and self.oracle.entries:
                with pytest.raises(WeaviateAway):
                    self.store.search(queries, k, not_sellers=sellers, blocks=blocks)
                return
            found = self.store.search(queries, k, not_sellers=sellers, blocks=blocks)
            assert_same(found, self.oracle.search(queries, k, sellers, blocks))

        @rule(replica=st.integers(0, 2))
        def leave_or_return(self, replica: int) -> None:
            self.replicas.away ^= {replica}

        @rule()
        def late(self) -> None:
            self.replicas.deliver_late()

        @rule(seconds=st.sampled_from([1.0, 60.0]))
        def time_passes(self, seconds: float) -> None:
            self.clock.now += seconds

        @rule()
        def restart(self) -> None:
            self.store.close()
            self.store = store_on(self.replicas, Path(self.folder.name), self.clock, consistency)
            assert len(self.store) == len(self.oracle.entries)

        def teardown(self) -> None:
            if hasattr(self, "store"):
                self.store.close()
                self.folder.cleanup()

    return Outages


@pytest.mark.parametrize("consistency", ["all", "quorum"])
def test_replicas_that_come_and_go_and_late_requests_change_no_result(consistency: Consistency) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine_with(consistency), settings=settings(max_examples=examples(20), stateful_step_count=25, deadline=None)
    )


@pytest.fixture
def cluster() -> Replicas:
    return Replicas(1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(cluster: Replicas, clock: Clock, tmp_path: Path) -> Iterator[WeaviateStore]:
    store = store_on(cluster, tmp_path, clock, "quorum", 64)
    yield store
    store.close()


VECTORS = unit_vectors(3, 3000, 64)
NOBODY = np.full(3000, -1, np.int32)


def test_what_a_replica_missed_is_found_whichever_answers(store: WeaviateStore, cluster: Replicas) -> None:
    store.upsert(np.arange(50), VECTORS[:50], NOBODY[:50])
    cluster.away = {1}
    store.upsert(np.arange(40, 60), VECTORS[140:160], NOBODY[:20])
    cluster.away = set()
    for _ in range(20):
        assert store.search(VECTORS[140:160], 1).keys[:, 0].tolist() == list(range(40, 60))


def test_of_many_equal_scores_the_smallest_keys_are_found(store: WeaviateStore) -> None:
    keys = np.random.default_rng(1).permutation(300)
    store.upsert(keys, np.repeat(VECTORS[:1], 300, axis=0), NOBODY[:300])
    assert store.search(VECTORS[:1], 4).keys.tolist() == [[0, 1, 2, 3]]


def test_what_was_thin_and_is_replaced_everywhere_is_found_as_it_is_now(
    cluster: Replicas, clock: Clock, tmp_path: Path
) -> None:
    store = store_on(cluster, tmp_path, clock, "quorum", 64)
    cluster.away = {1}
    store.upsert(keys_of(1), VECTORS[:1], NOBODY[:1])
    store.close()
    store = store_on(cluster, tmp_path, clock, "all", 64)
    assert store.thin == 1
    store.remove(keys_of())  # finds the replica away, and will not ask again for some seconds
    cluster.away = set()
    store.upsert(keys_of(1), VECTORS[1:2], NOBODY[:1])
    assert store.thin == 0
    assert store.search(VECTORS[1:2], 1).scores[0, 0] == pytest.approx(1.0, abs=1e-3)
    store.close()


def test_thin_entries_are_brought_to_a_replica_that_returns(
    store: WeaviateStore, cluster: Replicas, clock: Clock
) -> None:
    cluster.away = {1}
    store.upsert(np.arange(2500), VECTORS[:2500], NOBODY[:2500])
    assert store.thin == 2500
    cluster.away = {}  # type: ignore[assignment]
    store.remove(keys_of())
    assert store.thin == 2500  # not asked again before some seconds have passed
    clock.now += 60
    store.upsert(keys_of(9999), VECTORS[:1], NOBODY[:1])
    assert store.thin == 0
    (copies,) = cluster.collections.values()
    assert [len(copy) for copy in copies] == [2501] * 3


def test_what_is_swept_leaves_every_replica_as_soon_as_all_are_there(
    store: WeaviateStore, cluster: Replicas, clock: Clock
) -> None:
    store.upsert(np.arange(3000), VECTORS, NOBODY)
    cluster.away = {2}
    assert store.remove(np.arange(100, 3000)) == 2900
    (copies,) = cluster.collections.values()
    assert len(copies[2]) == 3000
    cluster.away = set()
    clock.now += 60
    store.remove(keys_of())
    assert [len(copy) for copy in copies] == [100] * 3


def test_an_upsert_that_failed_changed_nothing_and_is_swept(
    store: WeaviateStore, cluster: Replicas, clock: Clock
) -> None:
    store.upsert(keys_of(1), VECTORS[:1], NOBODY[:1])
    cluster.away = {0, 1}
    with pytest.raises(WeaviateAway):
        store.upsert(keys_of(1, 2), VECTORS[1:3], NOBODY[:2])
    cluster.away = set()
    clock.now += 60
    assert len(store) == 1
    assert store.search(VECTORS[1:3], 2).keys.tolist() == [[1, -1], [1, -1]]
    store.upsert(keys_of(3), VECTORS[3:4], NOBODY[:1])
    (copies,) = cluster.collections.values()
    assert [len(copy) for copy in copies] == [2] * 3


@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_written_after_it_was_given_up_and_swept_is_swept_again(
    cluster: Replicas, clock: Clock, tmp_path: Path, restarted: bool
) -> None:
    store = store_on(cluster, tmp_path, clock, "quorum", 64)
    store.upsert(keys_of(1), VECTORS[:1], NOBODY[:1])
    before = len(cluster.requests)
    cluster.away = {0, 1}
    with pytest.raises(WeaviateAway):
        store.upsert(keys_of(1, 2), VECTORS[1:3], NOBODY[:2])
    given_up = cluster.requests[before:]
    cluster.away = set()
    if restarted:
        store.close()
        store = store_on(cluster, tmp_path, clock, "quorum", 64)
    clock.now += LATE / 2
    store.upsert(keys_of(3), VECTORS[3:4], NOBODY[:1])
    (copies,) = cluster.collections.values()
    assert [len(copy) for copy in copies] == [2] * 3
    for write in given_up:
        for copy in copies:
            write(copy)
    assert [len(copy) > 2 for copy in copies] == [True] * 3
    assert sorted(store.search(VECTORS[1:2], 3).keys[0].tolist()) == [-1, 1, 3]
    clock.now += LATE / 2
    store.remove(keys_of())
    assert [len(copy) for copy in copies] == [2] * 3
    assert store._directory.strays(10) == []
    assert not store._writer._late
    assert not store._writer._deleted
    store.close()


def test_a_search_does_not_wait_for_a_write_that_is_under_way(
    store: WeaviateStore, cluster: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.upsert(keys_of(1), VECTORS[:1], NOBODY[:1])
    begun, gate, write = threading.Event(), threading.Event(), cluster.write

    def slow_write(*arguments: Any) -> None:
        begun.set()
        assert gate.wait(30)
        write(*arguments)

    monkeypatch.setattr(cluster, "write", slow_write)
    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(store.upsert, keys_of(1, 2), VECTORS[1:3], NOBODY[:2])
        assert begun.wait(30)
        searching = threads.submit(store.search, VECTORS[:1], 2)
        try:
            assert searching.result(30).keys.tolist() == [[1, -1]]
            assert not writing.done()
        finally:
            gate.set()
        writing.result(30)
    assert store.search(VECTORS[1:3], 1).keys.tolist() == [[1], [2]]


def test_nothing_is_deleted_under_a_search_and_the_next_one_waits_for_the_deletion(
    store: WeaviateStore, cluster: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.upsert(keys_of(1, 2), VECTORS[:2], NOBODY[:2])
    first, release, deleting, second = (threading.Event() for _ in range(4))
    near, delete = CollectionInMemory.near, CollectionInMemory.delete_objects
    # Waits for what must not happen: long enough for what takes a millisecond where nothing holds it back.
    moment, seen = 0.3, []

    def slow_near(*arguments: Any) -> Any:
        (second if first.is_set() else first).set()
        assert release.wait(30)
        return near(*arguments)

    def slow_delete(*arguments: Any) -> Any:
        deleting.set()
        seen.append(second.wait(moment))
        return delete(*arguments)

    monkeypatch.setattr(CollectionInMemory, "near", slow_near)
    monkeypatch.setattr(CollectionInMemory, "delete_objects", slow_delete)
    with ThreadPoolExecutor(3) as threads:
        searching = threads.submit(store.search, VECTORS[:1], 2)
        assert first.wait(30)
        writing = threads.submit(store.upsert, keys_of(1), VECTORS[2:3], NOBODY[:1])
        seen.append(deleting.wait(moment))
        release.set()
        assert deleting.wait(30)
        assert threads.submit(store.search, VECTORS[2:3], 1).result(30).keys.tolist() == [[1]]
        writing.result(30)
        assert 2 in searching.result(30).keys
    assert seen == [False, False]


def test_with_too_many_thin_entries_it_waits_for_the_replica(
    store: WeaviateStore, cluster: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index_store.weaviate.writing.MOST_THIN", 100)
    cluster.away = {1}
    store.upsert(np.arange(90), VECTORS[:90], NOBODY[:90])
    with pytest.raises(WeaviateAway):
        store.upsert(np.arange(90, 120), VECTORS[90:120], NOBODY[:30])
    assert (len(store), store.thin) == (90, 90)


def test_loading_sends_what_differs_and_removes_what_is_gone(store: WeaviateStore) -> None:
    everything = (np.arange(3000), VECTORS, NOBODY, NOBODY)
    assert store.load([tuple(column[:2000] for column in everything)]) == 2000  # type: ignore[list-item]
    assert store.load([tuple(column[1000:] for column in everything)]) == 1000  # type: ignore[list-item]
    assert len(store) == 2000
    assert np.isnan(store.reconstruct(keys_of(999))).all()
    np.testing.assert_array_equal(store.reconstruct(np.arange(1000, 3000)), VECTORS[1000:])
    assert store.load([]) == 0
    assert len(store) == 0
