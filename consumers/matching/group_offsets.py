"""Where a consumer group stands in a topic, asked again and again beside other work."""

import logging
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import Future

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumers.client import consumer_config
from matcher.clock import Clock
from matcher.settings import Kafka

log = logging.getLogger(__name__)

#: Seconds between an answer and the next question, and for an answer.
INTERVAL, TIMEOUT = 0.5, 10.0


class GroupOffsets:
    """The committed offsets of one group, of the partitions that are asked for. Joins no group, never waits.

    What it says was true once and is never too much, since a group goes only forward. A consumer asks that never
    subscribes: librdkafka's admin client crashes the process when the group has just moved to another broker (2.16).
    """

    def __init__(self, kafka: Kafka, group: str, topic: str, clock: Clock) -> None:
        # The last offset that is committed is wanted, not that of the transaction that is open while this is asked.
        self._config = dict(consumer_config(kafka, group, **{"isolation.level": "read_uncommitted"}))
        self._consumer: Consumer | None = None
        self._group = group
        self._topic = topic
        self._clock = clock
        self._asked: Future[Sequence[TopicPartition]] | None = None
        self._next = 0.0
        self._known: dict[int, int] = {}

    def of(self, partition: int) -> int | None:
        """The offset, as last heard: 0 while the group has none; None before that."""
        return self._known.get(partition)

    def ask(self, partitions: Collection[int]) -> None:
        """Takes the answer if it has come, and asks again when it is time."""
        if self._asked is not None:
            if not self._asked.done():
                return
            self._take(self._asked)
            self._asked = None
            self._next = self._clock.monotonic() + INTERVAL
        if partitions and self._clock.monotonic() >= self._next:
            self._consumer = self._consumer or Consumer(self._config)
            self._asked = _asking(self._consumer, [TopicPartition(self._topic, partition) for partition in partitions])

    def close(self) -> None:
        """Asks no more. A question that is open ends by itself."""
        if self._consumer is not None and (self._asked is None or self._asked.done()):
            self._consumer.close()
        self._consumer = None

    def _take(self, answer: "Future[Sequence[TopicPartition]]") -> None:
        failure = answer.exception()
        if isinstance(failure, KafkaException):
            log.warning("not knowing where group %s stands: %s", self._group, failure)
            return
        for place in answer.result():
            if place.error is None:
                self._known[place.partition] = max(0, place.offset)


def _asking(consumer: Consumer, places: list[TopicPartition]) -> "Future[Sequence[TopicPartition]]":
    """Asks in a thread of its own, which does not keep the process from ending."""
    answer: Future[Sequence[TopicPartition]] = Future()

    def ask() -> None:
        try:
            consumer.poll(0)  # hands over what librdkafka has logged
            answer.set_result(consumer.committed(places, timeout=TIMEOUT))
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=ask, name="group offsets", daemon=True).start()
    return answer
