"""Following: what was decided is read and applied, never decided again. Restart and rebuild are this one path."""

import logging

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from consumers.client import consumer_config, is_passing, record_of
from consumers.matching.published import published_in
from matcher.clock import Clock
from matcher.deciding.arrivals import Arrival, read_arrival
from matcher.memory import Memory, Published
from matcher.metrics import Metrics
from matcher.model.bundle import Bundle
from matcher.settings import Kafka, Topics

log = logging.getLogger(__name__)

CHUNK = 1_000


class LogShorterThanStateError(RuntimeError):
    """The state knows more than the log: the log lost records, or belongs to another cluster."""


class Follower:
    """Brings the memory of one partition up to the log, in steps that leave time for other work.

    Reads `offer-features` up to `until` (the group's committed offset: what lies behind it is not decided yet) and
    `matches` up to its end. Whoever calls it has fenced every other writer of this partition first.
    """

    def __init__(
        self,
        kafka: Kafka,
        group: str,
        topics: Topics,
        partition: int,
        *,
        until: int,
        memory: Memory,
        bundle: Bundle,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._topics = topics
        self._partition = partition
        self._memory = memory
        self._bundle = bundle
        self._metrics = metrics
        self._clock = clock
        self._consumer = Consumer(dict(consumer_config(kafka, f"{group}-follow")))
        self._until = until
        self._open = self._begin()
        self.applied = 0

    def _begin(self) -> set[str]:
        """Assigns what is still to be read; returns the topics that are not yet at their end."""
        positions = self._memory.positions()
        starts = []
        for topic in (self._topics.matches, self._topics.features):
            start = positions.get((topic, self._partition))
            if topic == self._topics.features and (start or 0) >= self._until:
                if start is not None and start > self._until:
                    self._too_far(topic, start, self._until)
                continue
            low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, self._partition), timeout=30)
            if start is not None and start > high:
                self._too_far(topic, start, high)
            starts.append(
                TopicPartition(topic, self._partition, OFFSET_BEGINNING if start is None else max(start, low))
            )
        self._consumer.assign(starts)
        return {start.topic for start in starts}

    def _too_far(self, topic: str, start: int, end: int) -> None:
        raise LogShorterThanStateError(
            f"the state has applied {topic}/{self._partition} up to {start}, but that log ends at {end}: it lost "
            f"records, or this is another cluster. If the log is right, delete the state folder: it is rebuilt from it"
        )

    def step(self, seconds: float) -> bool:
        """Reads for about `seconds` and applies what came; True once everything is applied."""
        arrivals: list[Arrival] = []
        published: list[Published] = []
        positions: dict[tuple[str, int], int] = {}
        deadline = self._clock.monotonic() + seconds
        while self._open and self._clock.monotonic() < deadline and len(arrivals) + len(published) < CHUNK:
            for message in self._consumer.consume(CHUNK, max(0.0, min(0.1, deadline - self._clock.monotonic()))):
                self._take(message, arrivals, published, positions)
        if positions:
            self._memory.follow(arrivals, published, positions)
            self.applied += len(arrivals) + len(published)
        if self._open:
            return False
        log.info("partition %d: followed the log, %d records applied", self._partition, self.applied)
        return True

    def close(self) -> None:
        self._consumer.close()

    def _take(
        self,
        message: Message,
        arrivals: list[Arrival],
        published: list[Published],
        positions: dict[tuple[str, int], int],
    ) -> None:
        topic = str(message.topic())
        error = message.error()
        if error is not None:
            if is_passing(error):
                log.warning("following %s: %s", topic, error)
                return
            if error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            self._end(topic, int(message.offset() or 0), positions)
            return
        if topic not in self._open:
            return
        record = record_of(message)
        if topic == self._topics.features and record.offset >= self._until:
            self._end(topic, self._until, positions)
            return
        positions[topic, self._partition] = record.offset + 1
        if topic == self._topics.matches:
            published.extend(published_in(record))
            return
        arrival = read_arrival(record, self._bundle)
        # What cannot be read was a dead letter when it was decided; a withdrawal is applied by its null on `matches`.
        if isinstance(arrival, Arrival) and arrival.features is not None:
            arrivals.append(arrival)
        if record.offset + 1 >= self._until:
            self._end(topic, self._until, positions)

    def _end(self, topic: str, offset: int, positions: dict[tuple[str, int], int]) -> None:
        if topic not in self._open:
            return
        self._open.discard(topic)
        if topic == self._topics.features:
            offset = min(offset, self._until)
        key = (topic, self._partition)
        positions[key] = max(offset, positions.get(key, 0), self._memory.positions().get(key, 0))
        self._consumer.incremental_unassign([TopicPartition(topic, self._partition)])
