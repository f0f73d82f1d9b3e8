"""The same stream, decided with the exact index and with Weaviate, which takes each batch while the next is decided:
the same decisions, offer by offer."""

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index_store.weaviate.settings import WeaviateSettings
from index_store.weaviate.store import WeaviateStore
from matcher.deciding.batch import Decided, Step, decide_batch
from matcher.deciding.overlay import Overlay
from matcher.events.envelope import Record
from matcher.events.offer import Offer
from matcher.events.place import Version
from matcher.memory import Memory
from matcher.metrics import Metrics
from matcher.model.bundle import Bundle
from tests.matcher.making import a_bundle, features_of, features_record_of, withdrawal_record_of

pytestmark = [pytest.mark.weaviate, pytest.mark.slow]

OFFERS, BATCH, PRODUCTS = 1500, 48, 200


@pytest.fixture(scope="module", params=["one", "three"])
def settings(request: pytest.FixtureRequest) -> WeaviateSettings:
    if request.param == "one":
        return WeaviateSettings(url=request.getfixturevalue("weaviate_one"), compression="none")
    return WeaviateSettings(url=request.getfixturevalue("weaviate_three").url, replicas=3, compression="none")


def a_stream(seed: int, dim: int) -> Iterator[Record]:
    """Offers of products that have siblings, twins, updates, withdrawals and sellers who show one thing twice."""
    random = np.random.default_rng(seed)
    products = random.standard_normal((PRODUCTS, dim))
    products[1::4] = products[::4] + 0.35 * random.standard_normal((len(products[1::4]), dim))
    versions = itertools.count(1)
    for offset in range(OFFERS):
        offer_id = f"offer-{random.integers(0, OFFERS // 2)}"
        version = Version(0, next(versions))
        if random.random() < 0.06:
            yield withdrawal_record_of(offer_id, version, offset)
            continue
        image = products[min(random.zipf(1.3), PRODUCTS) - 1]
        if random.random() < 0.7:
            image = image + random.choice([0.05, 0.3]) * random.standard_normal(dim)
        seller = None if random.random() < 0.2 else f"seller-{random.integers(0, 9)}"
        brand = random.choice([None, None, "Nike", "NIKE Inc.", "Puma", f"brand {random.integers(0, 20)}"])
        offer = Offer(offer_id=offer_id, seller_id=seller, title="an offer by Puma", brand=brand)
        yield features_record_of(features_of(offer, version, image.tolist(), [1.0, *[0.0] * (dim - 1)]), offset)


def told(step: Step) -> Any:
    if isinstance(step, Decided):
        return (step.decision, step.shown)
    return (type(step).__name__, getattr(step, "why", None))


def decide(records: Sequence[Record], memory: Memory, bundle: Bundle) -> list[Any]:
    steps: list[Any] = []
    for start in range(0, len(records), BATCH):
        part = records[start : start + BATCH]
        batch = decide_batch(part, memory, bundle, Metrics())
        memory.apply_steps(batch, {("offer-features", 0): start + len(part)})
        steps += map(told, batch)
    return steps


def decide_overlapping(records: Sequence[Record], memory: Memory, bundle: Bundle) -> list[Any]:
    """Each batch is sent to the cluster while the next is decided."""
    steps: list[Any] = []
    under_way: tuple[Sequence[Step], Future[None]] | None = None
    with ThreadPoolExecutor(1) as beside:
        for start in range(0, len(records), BATCH):
            part = records[start : start + BATCH]
            batch = decide_batch(part, Overlay(memory, under_way[0] if under_way else ()), bundle, Metrics())
            if under_way is not None:
                under_way[1].result()
            positions = {("offer-features", 0): start + len(part)}
            under_way = (batch, beside.submit(memory.apply_steps, batch, positions))
            steps += map(told, batch)
        if under_way is not None:
            under_way[1].result()
    return steps


def test_weaviate_and_the_exact_index_decide_alike(tmp_path: Path, settings: WeaviateSettings) -> None:
    # Blocks on one of the two clusters, so that neither way costs a run more.
    bundle = a_bundle(image_dim=32, text_dim=32, brand_blocks=settings.replicas == 1)
    records = list(a_stream(4, 32))
    topics = ("offer-features", "matches")
    exact = Memory(tmp_path / "exact", bundle, 0, topics, 1)
    cluster = Memory(tmp_path / "cluster", bundle, 0, topics, 1, weaviate=settings)
    store = cluster.stores()[1]
    assert isinstance(store, WeaviateStore)
    try:
        wanted, found = decide(records, exact, bundle), decide_overlapping(records, cluster, bundle)
        for number, (one, other) in enumerate(zip(wanted, found, strict=True)):
            assert one == other, f"record {number}"
        assert len({step[0].outcome for step in wanted if not isinstance(step[0], str)}) == 3
        assert len(cluster) == len(exact) > 300
        assert store.audit() == ()
        store.discard()
    finally:
        exact.close()
        cluster.close()
