"""What `bench pipeline` compares with does what it says: everything arrives, offsets follow, and nothing is fenced."""

from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, TopicPartition

from benchmarks.pipeline.reference import AtLeastOnce
from matcher.clock import SystemClock
from matcher.events.envelope import Outgoing
from matcher.metrics import Metrics
from matcher.settings import Kafka
from producers.transaction import AbortedError
from tests.kafka import make_topic, read


@pytest.mark.kafka
def test_at_least_once_publishes_commits_and_leaves_what_failed_halfway(kafka: str, unique_name: Callable[[str], str]):
    topic = unique_name("topic")
    make_topic(kafka, topic)
    reference = AtLeastOnce(Kafka(bootstrap=kafka), "id", Metrics(), SystemClock())
    reference.init()
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": unique_name("group"), "enable.auto.commit": False})

    def publish(*values: bytes, upto: int) -> dict[tuple[str, int], int]:
        records = [Outgoing(topic=topic, key=b"k", value=value) for value in values]
        return reference.publish(records, {(topic, 0): upto}, consumer)

    def committed() -> int:
        return consumer.committed([TopicPartition(topic, 0)], timeout=30)[0].offset

    assert publish(b"a", b"b", upto=2) == {(topic, 0): 2}, "no marker of a transaction behind them"
    assert (read(kafka, topic), committed()) == ([b"a", b"b"], 2)
    with pytest.raises(AbortedError):
        publish(b"half of it", bytes(range(256)) * 8_000, b"x" * 5_000_000, upto=3)
    assert reference.init_again(1.0)
    publish(b"c", upto=4)
    assert committed() == 4
    consumer.close()
    reference.close()
