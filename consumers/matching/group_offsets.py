"""Where a consumer group stands in a topic, asked again and again beside other work."""

import logging
from collections.abc import Collection
from concurrent.futures import Future

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from matcher.clock import Clock
from matcher.settings import Kafka
from producers.client import base_config

log = logging.getLogger(__name__)

#: Seconds between an answer and the next question, and for an answer.
INTERVAL, TIMEOUT = 0.5, 10.0


class GroupOffsets:
    """The committed offsets of one group, of the partitions that are asked for. Joins no group, never waits.

    What it says was true once and is never too much, since a group goes only forward.
    """

    def __init__(self, kafka: Kafka, group: str, topic: str, clock: Clock) -> None:
        self._config = dict(base_config(kafka))
        self._admin: AdminClient | None = None
        self._group = group
        self._topic = topic
        self._clock = clock
        self._asked: Future[ConsumerGroupTopicPartitions] | None = None
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
            self._admin = self._admin or AdminClient(self._config)
            places = [TopicPartition(self._topic, partition) for partition in partitions]
            request = ConsumerGroupTopicPartitions(self._group, places)
            # The last stable offset is wanted, not that of the transaction that is open while this is asked.
            answers = self._admin.list_consumer_group_offsets([request], require_stable=False, request_timeout=TIMEOUT)
            self._asked = answers[self._group]

    def _take(self, answer: "Future[ConsumerGroupTopicPartitions]") -> None:
        failure = answer.exception()
        if failure is not None:
            log.warning("not knowing where group %s stands: %s", self._group, failure)
            return
        for place in answer.result().topic_partitions or ():
            if place.error is None:
                self._known[place.partition] = max(0, place.offset)
