"""What should have come out: the same inputs decided in one go, in this process, where nothing is ever killed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from index_store.verify import verify
from matcher.clock import SystemClock
from matcher.deciding.batch import decide_batch
from matcher.events.envelope import Outgoing, Record
from matcher.memory import Memory
from matcher.metrics import Metrics
from matcher.model import load_bundle
from matcher.settings import Topics
from producers.decisions import decision_records

BATCH = 7


class LiveOffer(NamedTuple):
    """What a memory holds of an offer that can be found."""

    version: tuple[int, int]
    product_id: str | None
    seller_id: str | None
    vector: bytes


@contextmanager
def memory_in(folder: Path, bundle: str, topics: Topics) -> Iterator[Memory]:
    """The memory that a matcher of partition 0 keeps in `folder`, opened or made."""
    memory = Memory(folder, load_bundle(bundle), 0, (topics.features, topics.matches), topics.universes)
    with closing(memory):
        yield memory


def redecide(features: Sequence[Record], folder: Path, bundle: str, topics: Topics) -> list[Outgoing]:
    """The records for `matches` that follow from those of `offer-features`; the memory is left in `folder`."""
    published: list[Outgoing] = []
    with memory_in(folder, bundle, topics) as memory:
        for start in range(0, len(features), BATCH):
            batch = features[start : start + BATCH]
            steps = decide_batch(batch, memory, load_bundle(bundle), Metrics())
            published += decision_records(steps, partition=0, topics=topics, clock=SystemClock())
            memory.apply_steps(steps, {(topics.features, 0): batch[-1].offset + 1})
    return [record for record in published if record.topic == topics.matches]


def content_of(folder: Path, bundle: str, topics: Topics) -> Mapping[str, LiveOffer]:
    """All live offers of a memory that no process has open. Fails the test when the memory contradicts itself."""
    with memory_in(folder, bundle, topics) as memory:
        found = verify(*memory.stores())
        assert found.ok, found.problems
        state, _ = memory.stores()
        content = {}
        for keys, vectors, *_ in state.live_vectors():
            stored = state.by_keys(keys)
            for key, vector in zip(keys.tolist(), vectors, strict=True):
                offer = stored[key]
                content[offer.offer_id] = LiveOffer(
                    tuple(offer.version), offer.product_id, offer.seller_id, vector.tobytes()
                )
        return content
