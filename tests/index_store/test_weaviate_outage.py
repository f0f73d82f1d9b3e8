"""Three nodes, three replicas, and one of them dies by `kill -9` while entries are written and searched."""

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broker.weaviate.cluster import WeaviateCluster
from index_store.flat import FlatStore
from index_store.weaviate.errors import WeaviateAway
from index_store.weaviate.settings import Consistency, WeaviateSettings, endpoints
from index_store.weaviate.store import WeaviateStore
from tests.index_store.test_index_stores import assert_same, unit_vectors

pytestmark = [pytest.mark.weaviate, pytest.mark.slow, pytest.mark.timeout(300)]

DIM, BATCH = 64, 50
VECTORS = unit_vectors(11, 40 * BATCH, DIM)


@pytest.fixture
def three(weaviate_three: WeaviateCluster) -> Iterator[WeaviateCluster]:
    yield weaviate_three
    for number in (1, 2, 3):
        if number not in weaviate_three.pids:
            weaviate_three.start_node(number)


MakeStore = Callable[..., WeaviateStore]


@pytest.fixture
def make_store(three: WeaviateCluster, tmp_path: Path) -> Iterator[MakeStore]:
    made: list[WeaviateStore] = []

    def make(consistency: Consistency, deadline: float) -> WeaviateStore:
        settings = WeaviateSettings(
            url=three.url, replicas=3, shards=1, consistency=consistency, deadline=deadline, compression="none"
        )
        made.append(WeaviateStore(DIM, settings, tmp_path, name="Outage"))
        return made[-1]

    yield make
    for number in (1, 2, 3):
        if number not in three.pids:
            three.start_node(number)
    for store in made:
        if not store._closed:
            store.discard()


def write(stores: Any, number: int) -> None:
    """One batch: new entries, and a tenth of the last batch replaced, a tenth removed."""
    start = number * BATCH
    keys = np.arange(start, start + BATCH)
    sellers = (keys % 7).astype(np.int32)
    for store in stores:
        store.upsert(keys, VECTORS[keys], sellers)
        if start:
            old = keys - BATCH
            store.upsert(old[:5], VECTORS[keys[:5]], sellers[:5])
            store.remove(old[5:10])


def assert_equal(store: WeaviateStore, truth: FlatStore, number: int, *nodes: int) -> None:
    """The last batches are found as the truth says, whichever node is asked; it answers from its own replica."""
    addresses = list(store._link._addresses)
    for node in nodes:
        store._link.close()
        store._link._addresses = [endpoints(store._settings.url)[node - 1]]
        _assert_equal(store, truth, number)
    store._link.close()
    store._link._addresses = addresses


def _assert_equal(store: WeaviateStore, truth: FlatStore, number: int) -> None:
    queries = VECTORS[max(0, number - 2) * BATCH : (number + 1) * BATCH]
    asked_by = np.arange(len(queries), dtype=np.int32) % 7
    assert_same(store.search(queries, 5, not_sellers=asked_by), truth.search(queries, 5, not_sellers=asked_by))


def test_with_a_majority_asked_for_it_goes_on_and_every_search_sees_every_write(
    three: WeaviateCluster, make_store: MakeStore
) -> None:
    store, truth = make_store("quorum", 90), FlatStore(DIM)
    for number in range(3):
        write((store, truth), number)
    assert store.thin == 0
    killed = threading.Event()

    def kill() -> None:
        three.node(2).kill()
        killed.set()

    killer = threading.Thread(target=kill)
    killer.start()
    for number in itertools.count(3):
        write((store, truth), number)
        assert_equal(store, truth, number, 1, 3)
        if killed.is_set() and number >= 8:
            break
    killer.join()
    # By now the cluster knows that the node is gone, and its own ALL means the two others. Ours does not.
    store._writer.retry_at = 0.0
    number += 1
    write((store, truth), number)
    assert store.thin > 0
    three.start_node(2)
    # The node is back and lacks what was written meanwhile: whoever answers now, nothing may be missing.
    for last in range(number + 1, number + 4):
        write((store, truth), last)
        assert_equal(store, truth, last, 1, 2, 3)
    store._writer.retry_at = 0.0
    for last in range(number + 4, number + 40):
        write((store, truth), last)
        if store.thin == 0:
            break
        store._writer.retry_at = 0.0
    assert store.thin == 0
    for each in range(2, last + 1, 3):
        assert_equal(store, truth, each, 1, 2, 3)
    assert len(store) == len(truth)
    assert store.audit() == ()


def test_with_all_replicas_asked_for_it_waits_says_so_and_loses_nothing(
    three: WeaviateCluster, make_store: MakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    store, truth = make_store("all", 8), FlatStore(DIM)
    for number in range(3):
        write((store, truth), number)
    three.node(3).kill()
    keys = np.arange(3 * BATCH, 4 * BATCH)
    with pytest.raises(WeaviateAway, match="nothing is lost"):
        store.upsert(keys, VECTORS[keys], np.zeros(BATCH, np.int32))
    assert "waiting for Weaviate to write" in caplog.text
    assert len(store) == len(truth)
    assert_equal(store, truth, 2, 1, 2)
    three.start_node(3)
    store.close()
    again = make_store("all", 90)
    for number in range(3, 6):
        write((again, truth), number)
        assert_equal(again, truth, number, 1, 2, 3)
    assert len(again) == len(truth)
    assert again.audit() == ()


def test_when_the_node_that_was_asked_dies_another_one_is_asked(three: WeaviateCluster, make_store: MakeStore) -> None:
    store, truth = make_store("quorum", 120), FlatStore(DIM)
    write((store, truth), 0)
    three.node(1).kill()  # the first address in the url
    write((store, truth), 1)
    _assert_equal(store, truth, 1)
