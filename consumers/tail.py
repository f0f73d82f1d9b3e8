"""Reading a topic once, from its beginning to what is its end now, as a `read_committed` reader sees it."""

from collections.abc import Iterator
from contextlib import closing

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from consumers.client import consumer_config, is_passing, record_of
from matcher.clock import Clock, SystemClock
from matcher.events.envelope import Record
from matcher.settings import Kafka
from producers.topics import MAKE_COMMAND, KafkaUnreachable, TopicsUnusable

CHUNK = 1_000
#: Names the client in Kafka's logs; no group is joined and no offset committed.
GROUP = "offermatch-tail"


def tail(kafka: Kafka, topic: str, *, patience: float = 30.0, clock: Clock | None = None) -> Iterator[Record]:
    """The records of all partitions; those of one partition in order. What is written meanwhile may be left out.

    Stops at the end that each partition has when reading begins, so it ends although writers go on, and before a
    transaction that is open then. `patience`: seconds without any answer after which Kafka counts as gone.

    Raises `TopicsUnusable` when there is no such topic, `KafkaUnreachable` when nothing answers, `KafkaException`.
    """
    clock = clock or SystemClock()
    consumer = Consumer(dict(consumer_config(kafka, GROUP)))
    with closing(consumer):
        ends = _ends(consumer, kafka, topic, patience)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in ends])
        deadline = clock.monotonic() + patience
        while ends:
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
                if partition not in ends:
                    continue
                if error is None and offset < ends[partition]:
                    yield record_of(message)
                # The last offsets may be a transaction's marker, which is no record: then only the end itself tells.
                if error is not None or offset + 1 >= ends[partition]:
                    del ends[partition]
                    consumer.incremental_unassign([TopicPartition(topic, partition)])


def _ends(consumer: Consumer, kafka: Kafka, topic: str, patience: float) -> dict[int, int]:
    """Partition → the offset after its last stable record; partitions without any record are left out."""
    try:
        found = consumer.list_topics(topic, timeout=patience).topics[topic]
        if found.error is not None:
            if found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise TopicsUnusable(f"topic {topic} is missing: run `{MAKE_COMMAND}`")
            raise KafkaException(found.error)
        ends = {}
        for partition in found.partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=patience)
            if high > low:
                ends[partition] = high
    except KafkaException as error:
        if is_passing(error.args[0]):
            raise _gone(kafka, error.args[0].str()) from None
        raise
    return ends


def _gone(kafka: Kafka, what: str) -> KafkaUnreachable:
    return KafkaUnreachable(f"no Kafka answers at {kafka.bootstrap}: {what}")
