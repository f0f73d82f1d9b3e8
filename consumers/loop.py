"""The loop that every consuming process runs: read what there is room for, let the work go on, and stop in order.

When its `Worker` has no room, partitions are paused and polling goes on, so that the group keeps the process for alive.
"""

import logging
from collections.abc import Callable
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_STORED,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from consumers.client import consumer_config, is_passing, record_of
from consumers.membership import Membership, successor
from consumers.status import Status
from consumers.worker import LATER, Worker
from matcher.clock import Clock
from matcher.metrics import Metrics
from matcher.settings import Kafka
from producers.transaction import NotOwnerError

log = logging.getLogger(__name__)

#: Seconds that the loop waits for records when there is nothing else to do, and when work is under way.
IDLE_WAIT = 0.1
BUSY_WAIT = 0.005
#: Seconds that it waits for an answer without which it cannot go on; longer than Kafka takes to end the transaction of
#: a predecessor, until which it does not say how far that one came.
ANSWER_WAIT = 10.0


class LogDataLostError(RuntimeError):
    """The offset to continue from is no longer in the topic: records were deleted before they were read."""


class Loop:
    """Reads one topic for one group. `group_metadata` goes with the worker's transactions."""

    def __init__(
        self, kafka: Kafka, group: str, topic: str, *, status: Status, metrics: Metrics, clock: Clock, batch: int
    ) -> None:
        self._topic = topic
        self._status = status
        self._metrics = metrics
        self._clock = clock
        self._batch = batch
        self._config = dict(consumer_config(kafka, group))
        self._consumer = Consumer(self._config)
        self._membership = Membership(clock, kafka.session_timeout)
        self._owned: set[int] = set()
        self._paused: set[int] = set()
        self._next: dict[int, int] = {}
        self._unplaced: dict[int, int | None] = {}  # what is not read before it is put at this offset, if known yet
        self._notes: dict[int, str] = {}
        self._worker: Worker | None = None

    def group_metadata(self) -> Any:
        """What commits offsets in the name of this member. Raises `NotOwnerError` once it is none."""
        metadata = self._consumer.consumer_group_metadata()
        # Kafka takes offsets that name no member from anyone, so they must not go out in that state.
        if not self._consumer.memberid():
            raise NotOwnerError("this process is no member of its group just now")
        return metadata

    def committed(self, partition: int) -> int | None:
        """The group's committed offset, or None when it has none yet.

        Raises `TimeoutError` when Kafka does not say in time, `KafkaException` when it refuses.
        """
        try:
            (position,) = self._consumer.committed([TopicPartition(self._topic, partition)], timeout=ANSWER_WAIT)
            if position.error is not None:
                raise KafkaException(position.error)
        except KafkaException as error:
            if is_passing(error.args[0]):
                raise TimeoutError(f"no answer from Kafka in time (offset of {self._topic}/{partition})") from error
            raise
        self._notes[partition] = position.metadata or ""
        return position.offset if position.offset >= 0 else None

    def note(self, partition: int) -> str:
        """What was committed beside the offset when it was last asked for; empty without any. Raises as `committed`."""
        if partition not in self._notes:
            self.committed(partition)
        return self._notes[partition]

    def run(self, worker: Worker, stopping: Callable[[], bool], drain: float) -> None:
        """Works until `stopping()`, then drains for at most `drain` seconds and leaves the group."""
        self._worker = worker
        self._subscribe()
        try:
            while not stopping():
                self.turn()
            log.info("%s: stopping; what is in flight has up to %g s", self._topic, drain)
            worker.drain(self._clock.monotonic() + drain)
        finally:
            try:
                worker.close()
            finally:
                self._consumer.close()

    def _subscribe(self) -> None:
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def _stay_member(self) -> None:
        """A consumer that owns nothing and is not let into the group again is replaced."""
        if self._membership.overdue(self._consumer) and not self._owned:
            new = successor(self._consumer, self._config, self._topic)
            if new is not None:
                self._consumer, self._paused = new, set()
                self._subscribe()

    def turn(self) -> None:
        """One turn: read, hand over, work, look at the lag."""
        assert self._worker is not None
        worker = self._worker
        room = self._balance(worker)
        messages = self._read(min(room, self._batch), BUSY_WAIT if worker.busy() else IDLE_WAIT)
        records = [record_of(message) for message in messages if self._is_record(message)]
        if records:
            self._metrics.consumed.labels(self._topic).inc(len(records))
            worker.submit(records)
        for partition, offset in worker.poll().items():
            if partition in self._owned:
                self._unplaced[partition] = offset
        self._place()
        self._measure()
        self._stay_member()
        self._status.heartbeat()

    def _read(self, limit: int, wait: float) -> list[Message]:
        """What is there, up to `limit`; waits only while there is nothing (`consume` alone waits for all of them)."""
        first = self._consumer.poll(wait)
        if first is None:
            return []
        return [first, *(self._consumer.consume(limit - 1, 0) if limit > 1 else ())]

    def _balance(self, worker: Worker) -> int:
        """Pauses partitions without room, resumes the others; returns the room of those that are read."""
        room = {partition: 0 if partition in self._unplaced else worker.room(partition) for partition in self._owned}
        full = {partition for partition, free in room.items() if free <= 0}
        if full - self._paused:
            self._consumer.pause([TopicPartition(self._topic, p) for p in full - self._paused])
        if self._paused - full:
            self._consumer.resume([TopicPartition(self._topic, p) for p in (self._paused - full) & self._owned])
        self._paused = full
        return min((free for free in room.values() if free > 0), default=1)

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        partition = int(message.partition() or 0)
        if error is None:
            self._next[partition] = int(message.offset() or 0) + 1
            return partition in self._owned and partition not in self._unplaced
        if error.code() == KafkaError._PARTITION_EOF:
            # Behind the last record there may be a transaction's marker: only the end of the partition shows it.
            self._next[partition] = max(self._next.get(partition, 0), int(message.offset() or 0))
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise LogDataLostError(
                f"{self._topic}/{partition}: the committed offset is not in the topic any more, records were deleted "
                f"unread. "
                f"To go on without them, stop the group and set its offset: kafka-consumer-groups --reset-offsets "
                f"--to-earliest --topic {self._topic} --execute"
            )
        elif error.fatal() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise KafkaException(error)
        else:
            log.warning("%s: %s", self._topic, error)
        return False

    def _place(self) -> None:
        """Puts partitions where they are to be read from."""
        for partition, offset in list(self._unplaced.items()):
            if offset is None:
                continue
            try:
                self._consumer.seek(TopicPartition(self._topic, partition, offset))
            except KafkaException as error:
                if error.args[0].code() != KafkaError._STATE:
                    raise
                continue  # librdkafka has not begun with it yet
            self._next[partition] = offset
            del self._unplaced[partition]

    def _measure(self) -> None:
        for partition in self._owned:
            _, high = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
            if high >= 0 and partition in self._next:
                lag = max(0, high - self._next[partition])
                self._metrics.lag.labels(self._topic, str(partition)).set(lag)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is not self._consumer:
            return
        assert self._worker is not None
        starts = []
        for partition in partitions:
            number = partition.partition
            offset = self._worker.assigned(number)
            if offset is None:
                offset = self._committed_or_asked_for(number)
            elif offset is LATER:
                self._unplaced[number] = None
                # Paused, it is not read from there. Nor may its beginning be asked for: librdkafka (2.16) goes back to
                # the answer when that comes after a seek.
                offset = 0
            starts.append(TopicPartition(self._topic, number, offset))
            self._owned.add(number)
            if offset >= 0 and number not in self._unplaced:
                self._next[number] = offset
        consumer.incremental_assign(starts)
        # A pause outlives the assignment that it was made in.
        consumer.resume([start for start in starts if start.partition not in self._unplaced])
        unplaced = [start for start in starts if start.partition in self._unplaced]
        if unplaced:
            consumer.pause(unplaced)
            self._paused |= {start.partition for start in unplaced}
        log.info("%s: assigned %s", self._topic, sorted(p.partition for p in partitions))
        self._status.set("assigned", True)

    def _committed_or_asked_for(self, partition: int) -> int:
        """Where to start: the committed offset, the beginning without one, or librdkafka's choice if Kafka is slow.

        It goes on asking in the background, but takes a group without an offset for an error: it is the second choice.
        """
        try:
            offset = self.committed(partition)
        except TimeoutError as error:
            log.warning("%s; librdkafka goes on asking", error)
            return int(OFFSET_STORED)
        return int(OFFSET_BEGINNING) if offset is None else offset

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is self._consumer:  # not one that was replaced
            self._give_up(consumer, partitions, lost=False)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if consumer is self._consumer:
            self._give_up(consumer, partitions, lost=True)

    def _give_up(self, consumer: Consumer, partitions: list[TopicPartition], *, lost: bool) -> None:
        assert self._worker is not None
        numbers = [partition.partition for partition in partitions]
        self._worker.revoked(numbers, lost=lost)
        for number in numbers:
            self._owned.discard(number)
            self._paused.discard(number)
            self._next.pop(number, None)
            self._unplaced.pop(number, None)
            self._notes.pop(number, None)
            self._metrics.forget_partition(self._topic, number)
        consumer.incremental_unassign(partitions)
        log.info("%s: %s %s", self._topic, "lost" if lost else "revoked", sorted(numbers))
        if lost:  # thrown out of the group: neither an owner nor a standby until it is let in again
            self._status.set("assigned", False)
