"""Transactions on a real Kafka: all or nothing, one producer for each id, and no call that hangs."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from matcher.clock import Clock, SystemClock
from matcher.events.envelope import Outgoing
from matcher.metrics import Metrics
from matcher.settings import Kafka
from producers.missing import PATIENCE
from producers.transaction import (
    AbortedError,
    FencedError,
    NotOwnerError,
    OutcomeUnknownError,
    RefusedError,
    Transactions,
    UnpublishableError,
)
from tests.kafka import make_topic, read

pytestmark = pytest.mark.kafka


class Bench:
    """A topic, a consumer group on it, and transactions that write to the one and commit for the other."""

    def __init__(self, bootstrap: str, name: Callable[[str], str]) -> None:
        self.bootstrap = bootstrap
        self.topic, self.id = name("topic"), name("id")
        self.metrics = Metrics()
        make_topic(bootstrap, self.topic)
        config = {"bootstrap.servers": bootstrap, "group.id": name("group"), "enable.auto.commit": False}
        self.consumer = Consumer(config | {"isolation.level": "read_committed", "log_level": 0})
        self.made: list[Transactions] = []

    def transactions(self, timeout: float = 10.0, clock: Clock | None = None) -> Transactions:
        kafka = Kafka(bootstrap=self.bootstrap, transaction_timeout=timeout, properties={"log_level": "0"})
        made = Transactions(kafka, self.id, self.metrics, clock or SystemClock())
        self.made.append(made)
        return made

    def publish(self, transactions: Transactions, *values: bytes, upto: int = 1, **more: Any) -> dict[Any, int]:
        records = [Outgoing(topic=self.topic, key=b"k", value=value) for value in values]
        metadata = self.consumer.consumer_group_metadata()
        return transactions.publish(records, {(self.topic, 0): upto}, metadata, **more)

    def read(self, least: int = 0) -> list[bytes | None]:
        """What a reader sees now; or once it sees so many: markers are written after a commit is answered."""
        deadline = time.monotonic() + 30
        while len(seen := read(self.bootstrap, self.topic)) < least and time.monotonic() < deadline:
            pass
        return seen

    def committed(self) -> int:
        (position,) = self.consumer.committed([TopicPartition(self.topic, 0)], timeout=30)
        return position.offset

    def count(self, result: str) -> float | None:
        return self.metrics.registry.get_sample_value("offermatch_transactions_total", {"result": result})

    def close(self) -> None:
        for made in self.made:
            made.close()
        self.consumer.close()


@pytest.fixture
def bench(kafka: str, unique_name: Callable[[str], str]) -> Iterator[Bench]:
    made = Bench(kafka, unique_name)
    yield made
    made.close()


def test_records_and_offsets_appear_together(bench: Bench):
    transactions = bench.transactions()
    transactions.init()
    assert bench.publish(transactions, b"a", b"b", upto=2) == {(bench.topic, 0): 2}
    assert bench.read(least=2) == [b"a", b"b"]
    assert bench.committed() == 2
    # The marker of the first transaction has a place of its own in the log.
    assert bench.publish(transactions, b"c", upto=3) == {(bench.topic, 0): 4}
    assert bench.count("committed") == 2


def test_offsets_can_be_committed_without_any_record(bench: Bench):
    transactions = bench.transactions()
    transactions.init()
    assert bench.publish(transactions, upto=5) == {}
    assert bench.committed() == 5


def test_of_a_transaction_that_fails_nothing_is_left(bench: Bench):
    transactions = bench.transactions()
    transactions.init()
    bench.publish(transactions, b"before", upto=1)
    too_large = random.Random(1).randbytes(3_000_000)
    with pytest.raises(AbortedError):
        bench.publish(transactions, b"good", too_large, upto=9)
    assert transactions.init_again(30.0)
    bench.publish(transactions, b"after", upto=2)
    assert bench.read(least=2) == [b"before", b"after"]
    assert bench.committed() == 2
    assert (bench.count("aborted"), bench.count("committed")) == (1, 2)


def test_what_a_predecessor_left_open_is_ended(bench: Bench):
    killed = Producer({"bootstrap.servers": bench.bootstrap, "transactional.id": bench.id, "log_level": 0})
    killed.init_transactions(30)
    killed.begin_transaction()
    killed.produce(bench.topic, b"left open", b"k")
    killed.flush(30)
    successor = bench.transactions()
    successor.init()
    bench.publish(successor, b"after")
    assert bench.read(least=1) == [b"after"], "nothing hides what comes behind"


def test_a_successor_fences_its_predecessor(bench: Bench):
    predecessor, successor = bench.transactions(), bench.transactions()
    predecessor.init()
    bench.publish(predecessor, b"first")
    successor.init()
    bench.publish(successor, b"second", upto=2)
    with pytest.raises(FencedError):
        bench.publish(predecessor, b"third", upto=3)
    assert bench.read(least=2) == [b"first", b"second"]
    assert bench.committed() == 2


def test_offsets_of_a_group_that_has_moved_on_are_refused(bench: Bench):
    """As those of a process that stood still while its partitions were given to others."""
    bench.consumer.subscribe([bench.topic])
    while not bench.consumer.assignment():
        bench.consumer.poll(0.1)
    outdated = bench.consumer.consumer_group_metadata()
    bench.consumer.unsubscribe()
    bench.consumer.poll(0.5)
    newer = Consumer({"bootstrap.servers": bench.bootstrap, "group.id": outdated_group(outdated)})
    newer.subscribe([bench.topic])
    while not newer.assignment():
        newer.poll(0.1)
    transactions = bench.transactions()
    transactions.init()
    records = [Outgoing(topic=bench.topic, key=b"k", value=b"late")]
    with pytest.raises(NotOwnerError):
        transactions.publish(records, {(bench.topic, 0): 1}, outdated)
    assert transactions.init_again(30.0)
    assert bench.read() == []
    newer.close()


def outdated_group(metadata: bytes) -> str:
    """The group's name in librdkafka's metadata: after its mark of seven bytes and a generation of four."""
    return metadata[11:].split(b"\0")[0].decode()


def test_the_time_that_is_left_is_kept(bench: Bench):
    transactions = bench.transactions()
    transactions.init()
    with pytest.raises(AbortedError, match="no answer from Kafka in time"):
        bench.publish(transactions, b"too late", until=SystemClock().monotonic() - 1)
    assert transactions.init_again(30.0)
    assert bench.read() == []


def test_a_call_of_the_library_that_hangs_does_not_hang_us(bench: Bench):
    """librdkafka's issues 5456 and 5511: it waits for ever for a coordinator that it has seen go."""
    transactions = bench.transactions(timeout=1.0)
    transactions.init()
    bench.publish(transactions, b"before")

    class Hanging:
        """The producer, but for the one call."""

        def __init__(self, producer: Any) -> None:
            self.producer = producer
            self.released: Future[None] = Future()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.producer, name)

        def send_offsets_to_transaction(self, *_: Any) -> None:
            self.released.result()

    hanging = Hanging(transactions._producer)
    transactions._producer = hanging
    with pytest.raises(AbortedError, match="did not take the offsets"):
        bench.publish(transactions, b"lost", upto=9)
    assert transactions.init_again(30.0)
    bench.publish(transactions, b"after", upto=2)
    hanging.released.set_result(None)
    assert bench.read(least=2) == [b"before", b"after"]
    assert bench.committed() == 2


class Ahead(SystemClock):
    """A clock that can be put forward."""

    seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds


def test_a_topic_that_is_deleted_at_work_ends_the_process_when_it_stays_away(bench: Bench):
    clock = Ahead()
    transactions = bench.transactions(timeout=4.0, clock=clock)
    transactions.init()
    bench.publish(transactions, b"before")
    admin = AdminClient({"bootstrap.servers": bench.bootstrap})
    admin.delete_topics([bench.topic])[bench.topic].result()
    with pytest.raises((AbortedError, OutcomeUnknownError)):
        bench.publish(transactions, b"nowhere to go")
    assert transactions.init_again(30.0), "it may come back"
    clock.seconds += PATIENCE
    with pytest.raises(UnpublishableError, match=rf"{bench.topic} has been missing.*topics create"):
        transactions.init_again(30.0)


class Dated:
    """The producer, but with a time of the test's choice on every record."""

    def __init__(self, producer: Any, timestamp_ms: int) -> None:
        self.producer = producer
        self.timestamp_ms = timestamp_ms

    def __getattr__(self, name: str) -> Any:
        return getattr(self.producer, name)

    def produce(self, *args: Any, **more: Any) -> None:
        self.producer.produce(*args, timestamp=self.timestamp_ms, **more)


def test_where_the_clocks_differ_too_much_the_process_ends_and_says_so(bench: Bench):
    """The record is not to blame: its dead letter would be refused as well."""
    transactions = bench.transactions()
    transactions.init()
    in_two_hours = SystemClock().now_ms() + 2 * 3_600_000
    transactions._producer = Dated(transactions._producer, in_two_hours)  # type: ignore[assignment]
    with pytest.raises(UnpublishableError, match="clock"):
        bench.publish(transactions, b"from the future")
    assert transactions.init_again(30.0)
    assert bench.read() == []


def test_kafka_names_the_records_that_it_does_not_take(bench: Bench):
    transactions = bench.transactions()
    transactions.init()
    noise = random.Random(1)
    with pytest.raises(RefusedError) as raised:
        bench.publish(transactions, b"good", noise.randbytes(3_000_000), b"good")
    assert 1 in raised.value.refused
    assert transactions.init_again(30.0)
    with pytest.raises(RefusedError) as raised:
        bench.publish(transactions, b"good", noise.randbytes(5_000_000), b"good")
    assert raised.value.refused == {1}, "too large for the client itself"


def test_what_librdkafka_logs_looks_like_everything_else(caplog: pytest.LogCaptureFixture):
    nowhere = Kafka(bootstrap="127.0.0.1:1", transaction_timeout=1.0)
    transactions = Transactions(nowhere, "id", Metrics(), SystemClock())
    assert not transactions.init_again(0.5)
    transactions.close(timeout=0.1)
    (told, *_) = [record for record in caplog.records if record.name == "librdkafka"]
    assert told.levelname == "ERROR"
    assert "127.0.0.1:1" in told.getMessage()


def test_a_broker_that_is_not_there_is_asked_again_and_again_but_not_for_ever():
    nowhere = Kafka(bootstrap="127.0.0.1:1", transaction_timeout=1.0, properties={"log_level": "0"})
    transactions = Transactions(nowhere, "id", Metrics(), SystemClock())
    assert not transactions.init_again(0.1)
    assert not transactions.init_again(0.1)
    with pytest.raises(TimeoutError, match="no answer from Kafka in time"):
        transactions.init()
    transactions.close(timeout=0.1)
