"""Standing by: a partition that belongs to another process is followed, so that its state and index are warm.

`matches` is applied as it comes: what is committed there stays. `offer-features` is applied up to the group's committed
offset and no further: what lies behind that is not decided yet, and whoever takes over decides from there. The little
that was read beyond waits in memory, as records, and while it is much the topic is not read on.
"""

import logging
from collections import deque

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from consumers.client import consumer_config, record_of
from consumers.matching.stretch import LogShorterThanStateError, Stretch, is_end
from matcher.events.envelope import Record
from matcher.memory import Memory
from matcher.model.bundle import Bundle
from matcher.settings import Kafka, Topics

log = logging.getLogger(__name__)

#: Records read beyond the committed offset at which reading pauses, and KiB that librdkafka fetches ahead.
HELD, AHEAD_KIB = 1_000, 8_192


class Standby:
    """Follows one partition without an end. All calls come from one thread, none waits for Kafka.

    It has fenced nobody and may be behind: a `Follower` goes the rest of the way when the partition is taken over.
    """

    def __init__(
        self, kafka: Kafka, group: str, topics: Topics, partition: int, *, memory: Memory, bundle: Bundle
    ) -> None:
        self.partition = partition
        self.memory = memory
        self._matches, self._features = topics.matches, topics.features
        self._bundle = bundle
        positions = memory.positions()
        self._positions = {topic: positions.get((topic, partition), 0) for topic in (self._matches, self._features)}
        self._until = self._positions[self._features]
        self._held: deque[Record] = deque()
        self._free_until = self._until  # no record lies between what is applied or held and this offset
        self._paused = False
        self._heard = False
        self._ended = False
        self.warm = False
        self.applied = 0
        own = {"queued.max.messages.kbytes": AHEAD_KIB}
        self._consumer = Consumer(dict(consumer_config(kafka, f"{group}-standby", **own)))
        self._consumer.assign(
            [
                TopicPartition(topic, partition, start if (topic, partition) in positions else OFFSET_BEGINNING)
                for topic, start in self._positions.items()
            ]
        )

    def step(self, committed: int | None, most: int) -> bool:
        """Applies up to about `most` of the records that are there; whether there may be more at once.

        `committed`: the group's offset in `offer-features` as it was last heard, None before that.
        Raises `LogShorterThanStateError`, `KafkaException`, `matcher.events.Unreadable`.
        """
        self._heard = self._heard or committed is not None
        self._until = max(self._until, committed or 0)
        stretch = Stretch(self.partition, self._bundle)
        messages = self._consumer.consume(most, 0)
        for message in messages:
            self._take(message, stretch)
        self._release(stretch, most)
        stretch.apply_to(self.memory)
        for (topic, _), offset in stretch.positions.items():
            self._positions[topic] = offset
        self.applied += len(stretch)
        self._balance()
        self._look_whether_warm()
        return len(messages) >= most or self._ready_to_release()

    def lag(self) -> dict[str, int]:
        """Topic → records known of that are not applied yet: decisions, and features that were decided upon."""
        _, high = self._consumer.get_watermark_offsets(TopicPartition(self._matches, self.partition), cached=True)
        return {
            self._matches: max(0, high - self._positions[self._matches]),
            self._features: max(0, self._until - self._positions[self._features]),
        }

    def release(self) -> Memory:
        """Ends following and hands over the memory, which stays open."""
        self._consumer.close()
        return self.memory

    def close(self) -> None:
        self.release().close()

    def _take(self, message: Message, stretch: Stretch) -> None:
        topic = str(message.topic())
        error = message.error()
        if error is not None:
            self._take_error(topic, error, int(message.offset() or 0), stretch)
            return
        record = record_of(message)
        if topic == self._matches:
            self._ended = False
            stretch.take_decision(record)
        else:
            self._held.append(record)
            self._free_until = record.offset + 1

    def _take_error(self, topic: str, error: KafkaError, offset: int, stretch: Stretch) -> None:
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise LogShorterThanStateError(
                f"the state has applied {topic}/{self.partition} up to {self._positions[topic]}, which that log does "
                f"not hold any more, or not yet: it lost records, or this is another cluster. Start again to learn "
                f"which; if the log is right, delete the state folder: it is rebuilt from it"
            )
        if not is_end(error):
            log.warning("standing by, %s: %s", topic, error)
        elif topic == self._matches:
            # Behind the last record there may be a transaction's marker: only the end of the partition shows it.
            self._ended = True
            stretch.reach(topic, max(offset, stretch.positions.get((topic, self.partition), self._positions[topic])))
        else:
            self._free_until = max(self._free_until, offset)

    def _ready_to_release(self) -> bool:
        return bool(self._held) and self._held[0].offset < self._until

    def _release(self, stretch: Stretch, most: int) -> None:
        """What was held and is decided by now."""
        while self._ready_to_release() and len(stretch) < 2 * most:
            stretch.take_features(self._held.popleft())
        reached = min(self._until, self._held[0].offset if self._held else self._free_until)
        place = (self._features, self.partition)
        if reached > stretch.positions.get(place, self._positions[self._features]):
            stretch.reach(self._features, reached)

    def _balance(self) -> None:
        full = len(self._held) >= HELD
        if full == self._paused or (self._paused and len(self._held) > HELD // 2):
            return
        place = [TopicPartition(self._features, self.partition)]
        if full:
            self._consumer.pause(place)
        else:
            self._consumer.resume(place)
        self._paused = full

    def _look_whether_warm(self) -> None:
        """Once it has been where the log was, it stays warm: from there on it is only as far behind as `lag` says."""
        if self.warm or not (self._ended and self._heard) or self._positions[self._features] < self._until:
            return
        self.warm = True
        log.info("partition %d: standing by, %d records applied", self.partition, self.applied)
