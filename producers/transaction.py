"""One Kafka transaction at a time: records and the input offsets they came from, committed together or not at all."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from matcher.clock import Clock
from matcher.events.envelope import Outgoing
from matcher.metrics import Metrics
from matcher.settings import Kafka
from producers.client import producer_config

log = logging.getLogger(__name__)

__all__ = ["AbortedError", "FencedError", "KafkaException", "OutcomeUnknownError", "Partition", "Transactions"]

Partition = tuple[str, int]


class FencedError(RuntimeError):
    """A successor with the same transactional id took over: this process must stop working on its behalf."""


class AbortedError(RuntimeError):
    """The transaction was rolled back: nothing of it was published, no offset moved."""


class OutcomeUnknownError(RuntimeError):
    """The commit was asked for and not answered. Only reading the log can tell: re-initialise and follow."""


class Transactions:
    """The transactional producer of one slot or partition.

    `transactional_id` is stable: a successor that calls `init()` ends what its predecessor left open and fences it.
    """

    def __init__(self, kafka: Kafka, transactional_id: str, metrics: Metrics, clock: Clock) -> None:
        self.transactional_id = transactional_id
        self._metrics = metrics
        self._clock = clock
        self._timeout = kafka.transaction_timeout
        own: dict[str, str | int | bool] = {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": int(kafka.transaction_timeout * 1000),
        }
        self._config = dict(producer_config(kafka, **own))
        self._producer = Producer(self._config)

    def init(self) -> None:
        """Fences a predecessor and ends its open transaction.

        Retries; raises `TimeoutError` after six times the transaction timeout, or `FencedError`.
        """
        self._retry(self._producer.init_transactions, deadline=self._clock.monotonic() + 6 * self._timeout)

    def init_again(self) -> None:
        """A fresh producer under the same id, after a transaction whose outcome is not known."""
        self._producer.purge()
        self._producer = Producer(self._config)
        self.init()

    def wait(self, seconds: float) -> None:
        """Lets librdkafka work for a while."""
        self._producer.poll(seconds)

    def publish(
        self, records: Sequence[Outgoing], offsets: Mapping[Partition, int], group: Any
    ) -> dict[Partition, int]:
        """Publishes `records` and commits `offsets` (partition → next offset to read) of the consumer group `group`.

        Returns, for each partition written to, the offset after its last record.
        Raises `AbortedError`, `OutcomeUnknownError` or `FencedError`.
        """
        deadline = self._clock.monotonic() + self._timeout
        delivered = _Deliveries()
        with self._metrics.stage("publish").time():
            try:
                self._producer.begin_transaction()
                for record in records:
                    self._produce(record, delivered, deadline)
                positions = [TopicPartition(topic, number, offset) for (topic, number), offset in offsets.items()]
                if positions:
                    self._retry(self._producer.send_offsets_to_transaction, positions, group, deadline=deadline)
                self._producer.flush(max(0.0, deadline - self._clock.monotonic()))
                if delivered.error is not None:
                    raise KafkaException(delivered.error)
            except (KafkaException, BufferError, TimeoutError) as error:
                self._abort(error)
            self._commit(deadline)
        self._metrics.transactions.labels("committed").inc()
        return delivered.ends

    def close(self, timeout: float = 5.0) -> None:
        """Lets go of what was produced but not committed; `timeout` in seconds."""
        self._producer.flush(timeout)

    def _produce(self, record: Outgoing, delivered: "_Deliveries", deadline: float) -> None:
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    key=record.key,
                    value=record.value,
                    headers=list(record.headers),
                    partition=-1 if record.partition is None else record.partition,
                    on_delivery=delivered,
                )
                return
            except BufferError:
                if self._clock.monotonic() > deadline:
                    raise
                self._producer.poll(0.1)

    def _commit(self, deadline: float) -> None:
        try:
            self._retry(self._producer.commit_transaction, deadline=deadline)
        except KafkaException as error:
            if error.args[0].txn_requires_abort():
                self._abort(error)
            self._metrics.transactions.labels("unknown").inc()
            raise OutcomeUnknownError(f"{self.transactional_id}: {error}") from error
        except TimeoutError as error:
            self._metrics.transactions.labels("unknown").inc()
            raise OutcomeUnknownError(f"{self.transactional_id}: {error}") from error

    def _abort(self, cause: Exception) -> NoReturn:
        """Rolls back and raises `AbortedError` (or `FencedError`) from `cause`."""
        if isinstance(cause, KafkaException) and _is_fatal(cause.args[0]):
            raise FencedError(f"{self.transactional_id}: {cause}") from cause
        try:
            self._retry(self._producer.abort_transaction, deadline=self._clock.monotonic() + self._timeout)
        except (KafkaException, TimeoutError) as error:
            raise OutcomeUnknownError(f"{self.transactional_id}: abort failed: {error}") from cause
        self._metrics.transactions.labels("aborted").inc()
        raise AbortedError(f"{self.transactional_id}: {cause}") from cause

    def _retry(self, call: Any, *args: Any, deadline: float) -> None:
        """Repeats a call of the transaction API while librdkafka says that repeating may help."""
        while True:
            left = deadline - self._clock.monotonic()
            if left <= 0:
                raise TimeoutError(f"{self.transactional_id}: no answer from Kafka in time ({call.__name__})")
            try:
                call(*args, left)
                return
            except KafkaException as error:
                reason: KafkaError = error.args[0]
                if _is_fatal(reason):
                    raise FencedError(f"{self.transactional_id}: {reason}") from error
                if not reason.retriable():
                    raise
                log.warning("%s: %s; trying again", self.transactional_id, reason)


def _is_fatal(reason: KafkaError) -> bool:
    return bool(reason.fatal()) or reason.code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH)


class _Deliveries:
    """Collects the delivery reports of one transaction."""

    def __init__(self) -> None:
        self.error: KafkaError | None = None
        self.ends: dict[Partition, int] = {}

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.error = self.error or error
            return
        place = (str(message.topic()), int(message.partition() or 0))
        self.ends[place] = max(self.ends.get(place, 0), int(message.offset() or 0) + 1)
