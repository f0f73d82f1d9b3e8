"""What the transactions are compared with: at-least-once, as most consumers do it. It repeats itself after a crash.

An idempotent producer, a flush, and then a commit of the offsets by the consumer. Everything else is the same code.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaException, Producer, TopicPartition

from consumers.loop import Loop
from matcher.clock import Clock
from matcher.events.envelope import Outgoing
from matcher.metrics import Metrics
from matcher.settings import Kafka
from producers.transaction import NO_NOTES, AbortedError, OutcomeUnknownError, Partition, Transactions, _Deliveries


class PlainLoop(Loop):
    """Hands out its consumer, which commits, in place of what a transaction needs to know of it."""

    def group_metadata(self) -> Any:
        super().group_metadata()
        return self._consumer


class AtLeastOnce(Transactions):
    """In the place of `Transactions`: nothing is fenced, and records are seen before their offsets are committed."""

    def __init__(self, kafka: Kafka, transactional_id: str, metrics: Metrics, clock: Clock) -> None:
        super().__init__(kafka, transactional_id, metrics, clock)
        for name in ("transactional.id", "transaction.timeout.ms"):
            del self._config[name]
        self._producer = Producer(self._config)

    def init(self) -> None:
        """There is nobody to fence."""

    def init_again(self, seconds: float) -> bool:
        self._producer.purge()
        self._producer = Producer(self._config)
        return True

    def publish(
        self,
        records: Sequence[Outgoing],
        offsets: Mapping[Partition, int],
        group: Any,
        *,
        notes: Mapping[Partition, str] = NO_NOTES,
        until: float = math.inf,
    ) -> dict[Partition, int]:
        deadline = min(self._clock.monotonic() + self._timeout, until)
        delivered = _Deliveries()
        with self._metrics.stage("publish").time():
            try:
                for number, record in enumerate(records):
                    self._produce(number, record, delivered, deadline)
            except (KafkaException, BufferError) as error:
                raise AbortedError(f"{self.transactional_id}: {error}") from error
            self._serve(self._producer.flush, max(0.0, deadline - self._clock.monotonic()))
            if delivered.error is not None or len(self._producer):
                raise AbortedError(f"{self.transactional_id}: {delivered.error or 'no answer from Kafka in time'}")
            places = [
                TopicPartition(*place, offset, metadata=notes.get(place, "")) for place, offset in offsets.items()
            ]
            try:
                group.commit(offsets=places, asynchronous=False)
            except KafkaException as error:
                raise OutcomeUnknownError(f"{self.transactional_id}: {error}") from error
        self._metrics.transactions.labels("committed").inc()
        return delivered.ends
