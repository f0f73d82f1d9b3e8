"""A real node, killed at random moments in writes: what was written is found, and what was deleted is gone."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from broker.weaviate.cluster import WeaviateCluster
from index_store.flat import FlatStore
from index_store.weaviate.settings import Compression, WeaviateSettings
from index_store.weaviate.store import WeaviateStore
from tests.index_store.test_index_stores import assert_same, unit_vectors
from tests.weaviate import the_server

pytestmark = [pytest.mark.weaviate, pytest.mark.slow, pytest.mark.timeout(300)]

DIM, ENTRIES, KILLS = 64, 1_000, 3


@pytest.fixture
def node(tmp_path: Path) -> Iterator[WeaviateCluster]:
    with WeaviateCluster(tmp_path / "weaviate", 1, the_server()) as cluster:
        cluster.start()
        yield cluster


@pytest.mark.parametrize("compression", ["none", "rq"])
def test_a_node_that_is_killed_in_writes_hides_nothing_and_keeps_nothing(
    node: WeaviateCluster, compression: Compression, tmp_path: Path
) -> None:
    """Before each write was sent anew, and made to last, nearly every kill left entries that no search found."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    draws, rows = random.Random(seed), np.random.default_rng(seed)
    pool = unit_vectors(seed, 20 * ENTRIES, DIM)
    truth = FlatStore(DIM)
    store = WeaviateStore(DIM, WeaviateSettings(url=node.url, compression=compression), tmp_path / "state")
    keys, nobody = np.arange(ENTRIES), np.full(ENTRIES, -1, np.int32)
    store.upsert(keys, pool[keys], nobody)
    truth.upsert(keys, pool[keys], nobody)

    def replace_until(ended: threading.Event, failed: list[BaseException]) -> None:
        try:
            while not ended.is_set():
                some = rows.choice(ENTRIES, draws.choice([16, 64, 200]), replace=False)
                vectors = pool[rows.choice(len(pool), len(some), replace=False)]
                for each in (store, truth):
                    each.upsert(some, vectors, nobody[: len(some)])
        except BaseException as error:
            failed.append(error)

    for _ in range(KILLS):
        ended, failed = threading.Event(), []
        writing = threading.Thread(target=replace_until, args=(ended, failed))
        writing.start()
        time.sleep(draws.uniform(0.2, 1.0))
        node.node(1).kill()
        node.start_node(1)
        time.sleep(draws.uniform(0.2, 1.0))
        ended.set()
        writing.join()
        assert failed == []
        queries = truth.reconstruct(keys)
        assert_same(store.search(queries, 3), truth.search(queries, 3))
    # What a deletion that failed left behind is deleted some seconds later, with the next change.
    deadline = time.monotonic() + 60
    while store.report().objects > ENTRIES and time.monotonic() < deadline:
        store.remove(keys[:0])
        time.sleep(0.5)
    assert store.audit() == ()
    assert store.report().objects == ENTRIES
    store.close()
