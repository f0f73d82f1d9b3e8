"""Readers of topics as a downstream service is one: `read_committed`, from the start, patient but not for ever."""

import time
from collections.abc import Callable, Sequence

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from consumers.client import consumer_config, record_of
from matcher.events.envelope import Record
from matcher.settings import Kafka
from tests.pipeline.daemons import PATIENCE


class Reader:
    """Everything on one topic, in `records`, as far as it was read."""

    def __init__(self, kafka: Kafka, topic: str) -> None:
        self.topic = topic
        self.records: list[Record] = []
        self._consumer = Consumer(dict(consumer_config(kafka, "test-reader", log_level=0)))
        partitions = self._consumer.list_topics(topic, timeout=30).topics[topic].partitions
        self._open = set(partitions)
        self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])

    def poll(self, seconds: float = 0.1) -> None:
        """Takes what comes within `seconds`."""
        for message in self._consumer.consume(1_000, seconds):
            error = message.error()
            if error is None:
                self.records.append(record_of(message))
                self._open.add(message.partition())
            elif error.code() == KafkaError._PARTITION_EOF:
                self._open.discard(message.partition())
            else:
                raise AssertionError(f"{self.topic}: {error}")

    def until(
        self, enough: Callable[[Sequence[Record]], bool], what: str, check: Callable[[], None] = lambda: None
    ) -> None:
        """Reads on until there is enough. `check` fails the test early when it cannot come any more."""
        deadline = time.monotonic() + PATIENCE
        while not enough(self.records):
            self.poll()
            check()
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.topic}: waited in vain for {what}; there are {len(self.records)} records")

    def close(self) -> None:
        self._consumer.close()


def everything_on(kafka: Kafka, topic: str) -> list[Record]:
    """All committed records that a topic has now, those of a partition in order."""
    reader = Reader(kafka, topic)
    try:
        deadline = time.monotonic() + PATIENCE
        while reader._open:
            reader.poll()
            assert time.monotonic() < deadline, f"{topic} was not read to its end"
        return reader.records
    finally:
        reader.close()


def headers_of(record: Record) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}
