"""The shadow of a matcher: decides the log with a new bundle, in a memory of its own, and publishes nothing."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec

from matcher.deciding.batch import Decided, Gone, Refused, Step, decide_batch
from matcher.deciding.steps import Expired
from matcher.events.decision import Decision
from matcher.events.envelope import Record
from matcher.events.offer import Offer
from matcher.expiry import NEVER, Expiry
from matcher.memory import Memory
from matcher.metrics import Metrics
from matcher.model.bundle import Bundle


class ForeignFeatures(ValueError):
    """The features come from another encoder than the bundle's; the message names both."""


class Shadow:
    """Takes the records of a features topic, those of each partition in order. A context manager.

    Decides by the very code of the matcher, from an empty memory in `folder`, which nobody else may use. After
    `finish`: `decisions` holds the last decision on every offer that is live, `withdrawn` the offers that are not,
    `refused` the records that a matcher would send to the dead letters, by reason, and `ends` the next offset of each
    partition.
    """

    def __init__(
        self,
        bundle: Bundle,
        folder: Path,
        topics: Sequence[str],
        partitions: int,
        batch_size: int,
        *,
        expiry: Expiry = NEVER,
    ) -> None:
        """`topics`: the features topic first, as `Memory` wants them. `batch_size` changes no decision, but how soon
        offers that expire are gone."""
        self._bundle = bundle
        self._folder = folder
        self._topics = tuple(topics)
        self._partitions = partitions
        self._batch_size = batch_size
        self._expiry = expiry
        self._metrics = Metrics()
        self._memories: dict[int, Memory] = {}
        self._waiting: dict[int, list[Record]] = {}
        self._ever_decided = False
        self._foreign = ""
        self.decisions: dict[str, Decision] = {}
        self.withdrawn: set[str] = set()
        self.refused: Counter[str] = Counter()
        self.ends: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for memory in self._memories.values():
            memory.close()
        self._memories.clear()

    def take(self, record: Record) -> None:
        """Decides whenever a batch is full. Raises `ForeignFeatures`, and `index_store.errors.StateError`."""
        waiting = self._waiting.setdefault(record.partition, [])
        waiting.append(record)
        if len(waiting) >= self._batch_size:
            self._decide(record.partition)
            self._refuse_foreign()

    def finish(self) -> None:
        """Decides what still waits. Raises as `take` does."""
        for partition in list(self._waiting):
            self._decide(partition)
        self._refuse_foreign()

    def offers(self, offer_ids: Sequence[str]) -> dict[str, Offer]:
        """The fields of these offers, as far as they are live."""
        found = {}
        for memory in self._memories.values():
            state, _ = memory.stores()
            keys = [row.key for row in state.ledger(list(dict.fromkeys(offer_ids))).values()]
            for stored in state.by_keys(keys).values():
                if stored.product_id is not None and stored.payload is not None:
                    found[stored.offer_id] = msgspec.json.decode(stored.payload, type=Offer)
        return found

    def _decide(self, partition: int) -> None:
        records = self._waiting.pop(partition, [])
        if not records:
            return
        memory = self._memories.get(partition)
        if memory is None:
            memory = Memory(self._folder, self._bundle, partition, self._topics, self._partitions, expiry=self._expiry)
            self._memories[partition] = memory
        steps = decide_batch(records, memory, self._bundle, self._metrics)
        end = records[-1].offset + 1
        memory.apply_steps(steps, {(self._topics[0], partition): end})
        self.ends[partition] = end
        expired = memory.expired(self._batch_size)
        if expired:
            memory.apply_steps(expired, {})
        for step in [*steps, *expired]:
            self._note(step)

    def _note(self, step: Step) -> None:
        if isinstance(step, Decided):
            self._ever_decided = True
            self.decisions[step.decision.offer_id] = step.decision
            self.withdrawn.discard(step.decision.offer_id)
        elif isinstance(step, Gone):
            self.decisions.pop(step.arrival.offer_id, None)
            self.withdrawn.add(step.arrival.offer_id)
        elif isinstance(step, Expired):
            self.decisions.pop(step.offer_id, None)
            self.withdrawn.add(step.offer_id)
        elif isinstance(step, Refused):
            self.refused[step.failure.reason] += 1
            if step.failure.reason == "foreign_encoder":
                self._foreign = step.failure.message

    def _refuse_foreign(self) -> None:
        """A few foreign records are dead letters; a log that begins with nothing else is another encoder's."""
        if self._foreign and not self._ever_decided:
            raise ForeignFeatures(
                f"bundle {self._bundle.name!r} does not fit topic {self._topics[0]}: {self._foreign}; none of its "
                f"records so far fits. A bundle for another encoder names a features topic of its own "
                f"(`features_topic`), which that encoder has filled before the bundle is rolled out"
            )
