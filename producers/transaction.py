"""One Kafka transaction at a time: records and the input offsets they came from, committed together or not at all."""

import logging
import math
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from matcher.clock import Clock
from matcher.events.envelope import Outgoing
from matcher.metrics import Metrics
from matcher.settings import Kafka
from producers.client import producer_config
from producers.failpoints import COMMITTED, COMPLETE, FENCED, OPEN, reach
from producers.missing import MissingTopics
from producers.refusal import AbortedError, RefusedError, UnpublishableError, refuses_record, why_unpublishable

log = logging.getLogger(__name__)

__all__ = [
    "AbortedError",
    "FencedError",
    "KafkaException",
    "OutcomeUnknownError",
    "Partition",
    "RefusedError",
    "Transactions",
    "UnpublishableError",
]

Partition = tuple[str, int]

#: Seconds beyond its timeout after which a call of librdkafka counts as hanging.
PATIENCE = 0.5
#: Seconds; less becomes zero in librdkafka, which then answers at once that its time is up.
LEAST = 0.001
#: Seconds to hear what became of records whose transaction has failed already.
_HEARING = 1.0
NO_NOTES: Mapping[Partition, str] = {}


class FencedError(RuntimeError):
    """A successor with the same transactional id took over: this process must stop working on its behalf."""


class NotOwnerError(AbortedError):
    """Rolled back, since the group has given the input to somebody else, or is about to."""


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
        self._renewing = False
        self._missing = MissingTopics(clock)
        self._doubted: frozenset[str] = frozenset()  # the topics of a transaction that was not committed

    def init(self) -> None:
        """Fences a predecessor and ends its open transaction.

        Retries; raises `TimeoutError` after six times the transaction timeout, or `FencedError`.
        """
        self._retry(self._producer.init_transactions, deadline=self._clock.monotonic() + 6 * self._timeout)
        reach(FENCED)

    def init_again(self, seconds: float) -> bool:
        """A fresh producer under the same id, after a transaction that failed: ends it, committed or rolled back.

        Tries for `seconds`; False means to call it again. Raises `FencedError`, and `UnpublishableError` where a topic
        that was to be written to is gone.
        """
        if not self._renewing:
            self._producer.purge()
            self._producer = Producer(self._config)
            self._renewing = True
        try:
            self._retry(self._producer.init_transactions, deadline=self._clock.monotonic() + seconds)
        except TimeoutError:
            return False
        self._missing.look(self._producer, self._doubted)
        self._renewing = False
        return True

    def wait(self, seconds: float) -> None:
        """Lets librdkafka work for a while. Raises `FencedError`."""
        self._serve(self._producer.poll, seconds)

    def publish(
        self,
        records: Sequence[Outgoing],
        offsets: Mapping[Partition, int],
        group: Any,
        *,
        notes: Mapping[Partition, str] = NO_NOTES,
        until: float = math.inf,
    ) -> dict[Partition, int]:
        """Publishes `records` and commits `offsets` (partition → next offset to read) of the consumer group `group`.

        `notes` are kept beside the offsets (Kafka's metadata, up to 4096 bytes), for whoever asks for those.

        Takes the transaction timeout at most, and not longer than `until` (the clock's monotonic time). Returns, for
        each partition written to, the offset after its last record.
        Raises `AbortedError` (`RefusedError` where Kafka would refuse some of the records for ever),
        `OutcomeUnknownError` or `FencedError`; only `init_again()` is of use after any of them. Raises
        `UnpublishableError` where trying again would be in vain.
        """
        deadline = min(self._clock.monotonic() + self._timeout, until)
        delivered = _Deliveries()
        self._doubted = frozenset(record.topic for record in records)
        with self._metrics.stage("publish").time():
            try:
                self._producer.begin_transaction()
                for number, record in enumerate(records):
                    self._produce(number, record, delivered, deadline)
                reach(OPEN)
                positions = [
                    TopicPartition(*place, offset, metadata=notes.get(place, "")) for place, offset in offsets.items()
                ]
                if positions:
                    self._retry(self._send_offsets, positions, group, deadline=deadline)
                self._serve(self._producer.flush, max(0.0, deadline - self._clock.monotonic()))
                if delivered.error is not None:
                    raise KafkaException(delivered.error)
                reach(COMPLETE)
            except (KafkaException, BufferError, TimeoutError) as error:
                self._hear(error)
                self._abort(error, delivered)
            self._commit(deadline, delivered)
        reach(COMMITTED)
        self._missing.forget()
        self._metrics.transactions.labels("committed").inc()
        return delivered.ends

    def close(self, timeout: float = 5.0) -> None:
        """Lets go of what was produced but not committed; `timeout` in seconds."""
        self._producer.purge()
        with suppress(FencedError):
            self._serve(self._producer.flush, timeout)

    def _hear(self, error: Exception) -> None:
        """What became of the records may not be told yet, above all where a refused one is why the others failed."""
        failed = isinstance(error, KafkaException) and error.args[0].code() == KafkaError._STATE
        self._serve(self._producer.flush if failed else self._producer.poll, _HEARING if failed else 0)

    def _produce(self, number: int, record: Outgoing, delivered: "_Deliveries", deadline: float) -> None:
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    key=record.key,
                    value=record.value,
                    headers=list(record.headers),
                    partition=-1 if record.partition is None else record.partition,
                    on_delivery=partial(delivered, number),
                )
                return
            except KafkaException as error:  # too large for the client itself, which asks nobody then
                delivered.refuse(number, error.args[0])
                raise
            except BufferError:
                if self._clock.monotonic() > deadline:
                    raise
                self._serve(self._producer.poll, 0.1)

    def _serve(self, call: Any, seconds: float) -> None:
        """A call that serves callbacks raises a fatal error of the producer by the way, in one wrapping or another."""
        try:
            call(seconds)
        except (KafkaException, KafkaError, SystemError) as error:
            raise FencedError(f"{self.transactional_id}: {error.__cause__ or error}") from error

    def _send_offsets(self, positions: Sequence[TopicPartition], group: Any, timeout: float) -> None:
        """Beside, since librdkafka waits for ever when it has seen the group's coordinator go (its issues 5456, 5511).

        The thread that then hangs keeps the producer that `init_again()` replaces.
        """
        answer: Future[None] = Future()
        send = self._producer.send_offsets_to_transaction

        def run() -> None:
            try:
                answer.set_result(send(positions, group, timeout))
            except BaseException as error:
                answer.set_exception(error)

        threading.Thread(target=run, name="send-offsets", daemon=True).start()
        try:
            answer.result(timeout + PATIENCE)
        except FutureTimeoutError:
            raise TimeoutError(
                f"{self.transactional_id}: the coordinator of the group did not take the offsets"
            ) from None

    def _commit(self, deadline: float, delivered: "_Deliveries") -> None:
        try:
            self._retry(self._producer.commit_transaction, deadline=deadline)
        except KafkaException as error:
            if error.args[0].txn_requires_abort():
                self._abort(error, delivered)
            self._metrics.transactions.labels("unknown").inc()
            raise OutcomeUnknownError(f"{self.transactional_id}: {error}") from error
        except TimeoutError as error:
            self._metrics.transactions.labels("unknown").inc()
            raise OutcomeUnknownError(f"{self.transactional_id}: {error}") from error

    def _abort(self, cause: Exception, delivered: "_Deliveries") -> NoReturn:
        """Raises what `cause` means for a transaction that was not committed.

        Rolling back is left to `init_again()`, or to whoever comes next under this id: asking for it here would take as
        long once more when Kafka does not answer, and Kafka then calls fenced what it has rolled back by itself.
        """
        reason = cause.args[0] if isinstance(cause, KafkaException) else None
        if reason is not None:
            self._end_if_fatal(reason, cause)
        self._metrics.transactions.labels("aborted").inc()
        if delivered.refused:
            raise RefusedError(
                f"{self.transactional_id}: Kafka refuses {len(delivered.refused)} of the records: {delivered.why}",
                delivered.refused,
                delivered.why,
            ) from cause
        kind = NotOwnerError if reason is not None and reason.code() in _NOT_OWNER else AbortedError
        raise kind(f"{self.transactional_id}: {cause}") from cause

    def _retry(self, call: Any, *args: Any, deadline: float) -> None:
        """Repeats a call of the transaction API while librdkafka says that repeating may help."""
        while True:
            left = deadline - self._clock.monotonic()
            if left < LEAST:
                raise TimeoutError(f"{self.transactional_id}: no answer from Kafka in time ({call.__name__})")
            try:
                call(*args, left)
                return
            except KafkaException as error:
                reason: KafkaError = error.args[0]
                self._end_if_fatal(reason, error)
                if not reason.retriable():
                    raise
                log.warning("%s: %s; trying again", self.transactional_id, reason)

    def _end_if_fatal(self, reason: KafkaError, cause: Exception) -> None:
        if remedy := why_unpublishable(reason):
            raise UnpublishableError(f"{self.transactional_id}: {reason.str()}. {remedy}") from cause
        if _is_fatal(reason):
            raise FencedError(f"{self.transactional_id}: {reason}") from cause


_NOT_OWNER = (KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_INSTANCE_ID)


def _is_fatal(reason: KafkaError) -> bool:
    return bool(reason.fatal()) or reason.code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH)


class _Deliveries:
    """Collects the delivery reports of one transaction, whose records are numbered in their order."""

    def __init__(self) -> None:
        self.error: KafkaError | None = None
        self.ends: dict[Partition, int] = {}
        self.refused: set[int] = set()
        self.why = ""

    def refuse(self, number: int, error: KafkaError) -> None:
        """Takes note if `error` is for good, and the record's own."""
        if refuses_record(error):
            self.refused.add(number)
            self.why = self.why or error.str()

    def __call__(self, number: int, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.error = self.error or error
            self.refuse(number, error)
            return
        place = (str(message.topic()), int(message.partition() or 0))
        self.ends[place] = max(self.ends.get(place, 0), int(message.offset() or 0) + 1)
