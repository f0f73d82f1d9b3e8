"""What every consumer of ours tells librdkafka, and how its messages become records."""

from collections.abc import Mapping

from confluent_kafka import KafkaError, Message

from matcher.events.envelope import Headers, Record
from matcher.settings import Kafka
from producers.client import LIBRDKAFKA, Value, base_config


def consumer_config(kafka: Kafka, group: str, **more: str | int | bool) -> Mapping[str, Value]:
    """A consumer that sees committed records only, commits nothing by itself and never skips lost data silently."""
    session_ms = int(kafka.session_timeout * 1000)
    return {
        "group.id": group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": max(100, session_ms // 4),
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 100,
        "fetch.message.max.bytes": 4 * 1024 * 1024,
        "queued.max.messages.kbytes": 65_536,
        "logger": LIBRDKAFKA,
        **more,
        **base_config(kafka),
    }


def record_of(message: Message) -> Record:
    """The record in a message that carries no error."""
    return Record(
        topic=str(message.topic()),
        partition=int(message.partition() or 0),
        offset=int(message.offset() or 0),
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=_headers(message),
        timestamp_ms=max(0, message.timestamp()[1]),
    )


def _headers(message: Message) -> Headers:
    try:
        found = message.headers() or ()
    except UnicodeDecodeError:  # a name that is no UTF-8: the client hands out none of the headers then
        return ()
    return tuple((name, bytes(value) if value is not None else b"") for name, value in found)


def _bytes(raw: str | bytes | None) -> bytes | None:
    return raw.encode() if isinstance(raw, str) else raw


def is_passing(error: KafkaError) -> bool:
    """Whether it ends by itself: brokers that are away come back, partitions get a leader and groups a coordinator."""
    return error.code() in PASSING


PASSING = frozenset({
    KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE,
    KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.REQUEST_TIMED_OUT, KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError._WAIT_COORD,
})  # fmt: skip
