"""The two logs that a matcher leaves behind: features, and the decisions on them, with the offsets it committed."""

import random
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from matcher.clock import SystemClock
from matcher.deciding.batch import decide_batch
from matcher.events.envelope import Record
from matcher.events.offer import Offer
from matcher.events.place import Version
from matcher.memory import Memory
from matcher.metrics import Metrics
from matcher.model.bundle import Bundle
from matcher.settings import Topics
from producers.decisions import decision_records
from tests.matcher.making import features_of, features_record_of, withdrawal_record_of

TOPICS = Topics()
PLACES = (TOPICS.features, TOPICS.matches)
METRICS = Metrics()


def memory_in(folder: Path, bundle: Bundle) -> Memory:
    return Memory(folder, bundle, 0, PLACES, 1)


def a_stream(seed: int, length: int, first: int = 0) -> list[Record]:
    """Records of `offer-features`, with holes as transactions leave them: offers that come, change and go."""
    draws = random.Random(seed)
    records = []
    offset = 2 * first
    for number in range(first, first + length):
        name, version = f"offer-{draws.randrange(length // 2 + 1)}", Version(0, number)
        if draws.random() < 0.2:
            records.append(withdrawal_record_of(name, version, offset))
        else:
            look = [1.0] + [draws.choice((0.0, 0.5, 2.0)) for _ in range(3)]
            records.append(features_record_of(features_of(Offer(offer_id=name), version, look, look), offset))
        offset += draws.choice((1, 1, 2))
    return records


class Decided:
    """What became of a stream: `matches`, and after each batch how far both logs were committed."""

    def __init__(self, features: Sequence[Record], bundle: Bundle, folder: Path, batch: int = 4) -> None:
        self.features = list(features)
        self.matches: list[Record] = []
        self.committed: list[tuple[int, int]] = [(0, 0)]  # (offset of features, end of matches)
        self._bundle = bundle
        offset = 0
        with closing(memory_in(folder, bundle)) as memory:
            for part in _batched(features, batch):
                steps = decide_batch(part, memory, bundle, METRICS)
                for out in decision_records(steps, partition=0, topics=TOPICS, clock=SystemClock()):
                    if out.topic == TOPICS.matches:
                        self.matches.append(
                            Record(
                                topic=out.topic, partition=0, offset=offset, key=out.key, value=out.value,
                                headers=out.headers, timestamp_ms=1_700_000_000_000 + offset,
                            )
                        )  # fmt: skip
                        offset += 1
                end = part[-1].offset + 1
                memory.apply_steps(steps, {(TOPICS.features, 0): end, (TOPICS.matches, 0): offset})
                offset += 1  # the transaction's marker
                self.committed.append((end, offset))
            self.content = content_of(memory)


def content_of(memory: Memory) -> tuple[object, ...]:
    """All that a memory knows, whatever keys it dealt."""
    state, _ = memory.stores()
    assert state.audit() == ()
    names = [f"offer-{n}" for n in range(1_000)]
    ledger = {name: (row.version, row.product_id, row.outcome) for name, row in state.ledger(names).items()}
    live = {}
    for keys, vectors, *_ in state.live_vectors():
        stored = state.by_keys(keys)
        live |= {stored[key].offer_id: vector.tobytes() for key, vector in zip(keys.tolist(), vectors, strict=True)}
    indexed = memory.stores()[1].reconstruct(np.array(sorted(state.by_keys(range(1_000))), np.int64))
    return ledger, live, len(memory), int(np.isfinite(indexed).all(axis=1).sum()), state.counts().pending


def _batched(records: Sequence[Record], size: int) -> list[Sequence[Record]]:
    return [records[start : start + size] for start in range(0, len(records), size)]
