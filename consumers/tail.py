"""Reading a topic once, from its beginning to what is its end now, as a `read_committed` reader sees it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from consumers.asking import patiently
from consumers.client import consumer_config, is_passing, record_of
from matcher.clock import Clock, SystemClock
from matcher.events.envelope import Record
from matcher.settings import Kafka
from producers.topics import MAKE_COMMAND, KafkaUnreachable, TopicsUnusable

T = TypeVar("T")

CHUNK = 1_000
#: Names the client in Kafka's logs; no group is joined and no offset committed.
GROUP = "offermatch-tail"


def tail(
    kafka: Kafka,
    topic: str,
    *,
    starts: Mapping[int, int] | None = None,
    patience: float = 30.0,
    clock: Clock | None = None,
) -> Iterator[Record]:
    """The records of all partitions; those of one partition in order. What is written meanwhile may be left out.

    `starts`: read these partitions alone, each from its offset on (or from the first that is left after it).

    Stops at the end that each partition has when reading begins, so it ends although writers go on, and before a
    transaction that is open then. `patience`: seconds without any answer after which Kafka counts as gone.

    Raises `TopicsUnusable` when there is no such topic, `KafkaUnreachable` when nothing answers, `KafkaException`.
    """
    clock = clock or SystemClock()
    consumer = Consumer(dict(consumer_config(kafka, GROUP)))
    with closing(consumer):
        found = _watermarks(consumer, kafka, topic, patience)
        if starts is None:
            open_ = {partition: high for partition, (low, high) in found.items() if high > low}
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in open_])
        else:
            firsts = {
                partition: max(starts[partition], found[partition][0]) for partition in found if partition in starts
            }
            open_ = {
                partition: found[partition][1] for partition, first in firsts.items() if found[partition][1] > first
            }
            consumer.assign([TopicPartition(topic, partition, firsts[partition]) for partition in open_])
        deadline = clock.monotonic() + patience
        while open_:
            messages = consumer.consume(CHUNK, 0.1)
            # Complaints about a broker that is gone keep coming; they are no answer.
            if any(m.error() is None or m.error().code() == KafkaError._PARTITION_EOF for m in messages):
                deadline = clock.monotonic() + patience
            elif clock.monotonic() > deadline:
                raise _gone(kafka, f"nothing came from {topic} for {patience:.0f} s")
            for message in messages:
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    if error.fatal() or not is_passing(error):
                        raise KafkaException(error)
                    continue
                partition, offset = int(message.partition() or 0), int(message.offset() or 0)
                if partition not in open_:
                    continue
                if error is None and offset < open_[partition]:
                    yield record_of(message)
                # The last offsets may be a transaction's marker, which is no record: then only the end itself tells.
                if error is not None or offset + 1 >= open_[partition]:
                    del open_[partition]
                    consumer.incremental_unassign([TopicPartition(topic, partition)])


def ends(kafka: Kafka, topic: str, *, committed: bool = True, patience: float = 30.0) -> dict[int, int]:
    """Partition → the offset after its last record, of those that are `committed` or of all. Raises as `tail`."""
    level = "read_committed" if committed else "read_uncommitted"
    with closing(Consumer(dict(consumer_config(kafka, GROUP, **{"isolation.level": level})))) as consumer:
        return {partition: high for partition, (_, high) in _watermarks(consumer, kafka, topic, patience).items()}


def span(kafka: Kafka, topic: str, partition: int, *, patience: float = 30.0) -> tuple[int, int]:
    """The first offset that a partition still has, and the one after its last committed record. Raises as `tail`."""
    with closing(Consumer(dict(consumer_config(kafka, GROUP)))) as consumer:
        low, high = _asked(
            kafka, patience, lambda left: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=left)
        )
        return low, high


def starts_at(kafka: Kafka, topic: str, time_ms: int, *, patience: float = 30.0) -> dict[int, int]:
    """Partition → the offset of its first record with a Kafka time of `time_ms` or later. Raises as `tail`."""
    with closing(Consumer(dict(consumer_config(kafka, GROUP)))) as consumer:
        found = _watermarks(consumer, kafka, topic, patience)
        asked = [TopicPartition(topic, partition, max(0, time_ms)) for partition in found]
        answers = _asked(kafka, patience, lambda left: consumer.offsets_for_times(asked, timeout=left))
        return {one.partition: one.offset if one.offset >= 0 else found[one.partition][1] for one in answers}


def _watermarks(consumer: Consumer, kafka: Kafka, topic: str, patience: float) -> dict[int, tuple[int, int]]:
    """Partition → its first offset, and the one after its last stable record."""

    def bounds(left: float) -> dict[int, tuple[int, int]]:
        found = consumer.list_topics(topic, timeout=left).topics[topic]
        if found.error is not None:
            if found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise TopicsUnusable(f"topic {topic} is missing: run `{MAKE_COMMAND}`")
            raise KafkaException(found.error)
        return {
            partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=left)
            for partition in found.partitions
        }

    return _asked(kafka, patience, bounds)


def _asked(kafka: Kafka, patience: float, ask: Callable[[float], T]) -> T:
    try:
        return patiently(ask, patience, SystemClock())
    except KafkaException as error:
        if is_passing(error.args[0]):
            raise _gone(kafka, error.args[0].str()) from None
        raise


def _gone(kafka: Kafka, what: str) -> KafkaUnreachable:
    return KafkaUnreachable(f"no Kafka answers at {kafka.bootstrap}: {what}")
