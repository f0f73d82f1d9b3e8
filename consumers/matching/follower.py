"""Following: what was decided is read and applied, never decided again. Restart and rebuild are this one path."""

import logging

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from consumers.client import consumer_config, is_passing, record_of
from consumers.matching.hanging import HiddenEnd
from consumers.matching.stretch import LogShorterThanStateError, Stretch, is_end, refuse
from matcher.clock import Clock
from matcher.memory import Memory
from matcher.model.bundle import Bundle
from matcher.settings import Kafka, Topics
from producers.failpoints import FOLLOWING, reach

log = logging.getLogger(__name__)

__all__ = ["Follower", "LogShorterThanStateError"]

CHUNK = 1_000
#: Seconds that Kafka may take to say where a log begins and ends.
ANSWER_WAIT = 5.0


class Follower:
    """Brings the memory of one partition up to the log, in steps that leave time for other work.

    Reads `offer-features` up to `until` (the group's committed offset: what lies behind it is not decided yet) and
    `matches` up to its end, behind which nothing may be hidden. Whoever calls it has fenced every other writer of this
    partition first. Making one raises `TimeoutError` when Kafka does not answer.
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
        clock: Clock,
    ) -> None:
        self._topics = topics
        self._partition = partition
        self._memory = memory
        self._bundle = bundle
        self._clock = clock
        self._consumer = Consumer(dict(consumer_config(kafka, f"{group}-follow")))
        self._until = until
        self._open = self._begin()
        self._hidden_end = HiddenEnd(kafka, f"{group}-follow", topics.matches, partition, clock)
        self.applied = 0

    def _begin(self) -> set[str]:
        """Assigns what is still to be read; returns the topics that are not yet at their end."""
        positions = self._memory.positions()
        starts = []
        for topic in (self._topics.matches, self._topics.features):
            start = positions.get((topic, self._partition))
            if topic == self._topics.features and (start or 0) >= self._until:
                if start is not None and start > self._until:
                    raise refuse(topic, self._partition, start, self._until)
                continue
            low, high = self._bounds(topic)
            if start is not None and start > high:
                raise refuse(topic, self._partition, start, high)
            starts.append(
                TopicPartition(topic, self._partition, OFFSET_BEGINNING if start is None else max(start, low))
            )
        self._consumer.assign(starts)
        return {start.topic for start in starts}

    def _bounds(self, topic: str) -> tuple[int, int]:
        place = TopicPartition(topic, self._partition)
        try:
            low, high = self._consumer.get_watermark_offsets(place, timeout=ANSWER_WAIT)
        except KafkaException as error:
            if is_passing(error.args[0]):
                raise TimeoutError(f"no answer from Kafka in time (bounds of {topic}/{self._partition})") from error
            raise
        return low, high

    def step(self, seconds: float) -> bool:
        """Reads for about `seconds` and applies what came; True once everything is applied.

        Raises `consumers.matching.hanging.HangingTransactionError`, `KafkaException`, `matcher.events.Unreadable`.
        """
        stretch = Stretch(self._partition, self._bundle)
        deadline = self._clock.monotonic() + seconds
        while self._open and self._clock.monotonic() < deadline and len(stretch) < CHUNK:
            for message in self._consumer.consume(CHUNK, max(0.0, min(0.1, deadline - self._clock.monotonic()))):
                self._take(message, stretch)
        stretch.apply_to(self._memory)
        self.applied += len(stretch)
        if len(stretch):
            reach(FOLLOWING)
        if self._open or not self._saw_all():
            return False
        forgotten = self._memory.forget_undecided()
        log.info("partition %d: followed the log, %d records applied", self._partition, self.applied)
        if forgotten:
            log.info(
                "partition %d: %d offers were gone before that, their features forgotten", self._partition, forgotten
            )
        return True

    def close(self) -> None:
        self._consumer.close()
        self._hidden_end.close()

    def _saw_all(self) -> bool:
        """Whether nothing lies behind the end of `matches`. What lies there is read on as it becomes visible."""
        position = self._memory.positions().get((self._topics.matches, self._partition), 0)
        hides = self._hidden_end.hides(position)
        if hides:
            self._consumer.assign([TopicPartition(self._topics.matches, self._partition, position)])
            self._open = {self._topics.matches}
        return hides is False

    def _take(self, message: Message, stretch: Stretch) -> None:
        topic = str(message.topic())
        error = message.error()
        if error is not None:
            if is_end(error):
                self._end(topic, int(message.offset() or 0), stretch)
            else:
                log.warning("following %s: %s", topic, error)
            return
        if topic not in self._open:
            return
        record = record_of(message)
        if topic == self._topics.matches:
            stretch.take_decision(record)
        elif record.offset >= self._until:
            self._end(topic, self._until, stretch)
        else:
            stretch.take_features(record)
            if record.offset + 1 >= self._until:
                self._end(topic, self._until, stretch)

    def _end(self, topic: str, offset: int, stretch: Stretch) -> None:
        if topic not in self._open:
            return
        self._open.discard(topic)
        if topic == self._topics.features:
            offset = min(offset, self._until)
        place = (topic, self._partition)
        stretch.reach(topic, max(offset, stretch.positions.get(place, 0), self._memory.positions().get(place, 0)))
        self._consumer.incremental_unassign([TopicPartition(*place)])
