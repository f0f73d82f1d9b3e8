"""Two logs in the hands of a test, and a consumer that reads them as librdkafka's does."""

from collections.abc import Mapping, Sequence

from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

from matcher.events.envelope import Record


class FakeMessage:
    """What a consumer hands out: a record, or the news that the end was reached."""

    def __init__(self, record: Record | None, topic: str = "", offset: int = 0, code: int | None = None) -> None:
        self._record = record
        self._topic = record.topic if record else topic
        self._offset = record.offset if record else offset
        self._error = None if code is None else KafkaError(code)

    def error(self) -> KafkaError | None:
        return self._error

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return self._record.key if self._record else None

    def value(self) -> bytes | None:
        return self._record.value if self._record else None

    def headers(self) -> list[tuple[str, bytes]]:
        return list(self._record.headers) if self._record else []

    def timestamp(self) -> tuple[int, int]:
        return (1, self._record.timestamp_ms if self._record else 0)


class FakeLog:
    """Records by topic; `ends` says how much of each may be seen by now (offset after the last, markers included)."""

    def __init__(self, **topics: Sequence[Record]) -> None:
        self.topics = {name.replace("_", "-"): list(records) for name, records in topics.items()}
        self.lows = dict.fromkeys(self.topics, 0)
        self.ends = {name: records[-1].offset + 2 if records else 0 for name, records in self.topics.items()}
        self.hidden: dict[str, int] = {}  # the end of a topic that only `read_uncommitted` sees
        self.consumers: list[FakeConsumer] = []

    def consumer(self, config: Mapping[str, object]) -> "FakeConsumer":
        """Takes the place of `confluent_kafka.Consumer`."""
        self.consumers.append(FakeConsumer(self, committed=config["isolation.level"] == "read_committed"))
        return self.consumers[-1]


class FakeConsumer:
    def __init__(self, log: FakeLog, *, committed: bool = True) -> None:
        self._log = log
        self._committed = committed
        self.positions: dict[str, int] = {}
        self.paused: set[str] = set()
        self._told: dict[str, int] = {}
        self.closed = False

    def assign(self, places: Sequence[TopicPartition]) -> None:
        self._told = {}
        self.positions = {p.topic: 0 if p.offset == OFFSET_BEGINNING else p.offset for p in places}

    def incremental_unassign(self, places: Sequence[TopicPartition]) -> None:
        for place in places:
            self.positions.pop(place.topic, None)

    def pause(self, places: Sequence[TopicPartition]) -> None:
        self.paused |= {place.topic for place in places}

    def resume(self, places: Sequence[TopicPartition]) -> None:
        self.paused -= {place.topic for place in places}

    def get_watermark_offsets(self, place: TopicPartition, timeout: float = 0, cached: bool = False) -> tuple[int, int]:
        end = self._log.ends[place.topic]
        return self._log.lows[place.topic], end if self._committed else self._log.hidden.get(place.topic, end)

    def consume(self, count: int, timeout: float) -> list[FakeMessage]:
        messages: list[FakeMessage] = []
        for topic in sorted(self.positions.keys() - self.paused):
            position, end = self.positions[topic], self._log.ends[topic]
            if position > end or position < self._log.lows[topic]:
                messages.append(FakeMessage(None, topic, position, KafkaError._AUTO_OFFSET_RESET))
                continue
            for record in self._log.topics[topic]:
                if position <= record.offset < end and len(messages) < count:
                    messages.append(FakeMessage(record))
                    position = record.offset + 1
            if not any(position <= record.offset < end for record in self._log.topics[topic]):
                position = end
                if self._told.get(topic) != end:  # each end is told once
                    self._told[topic] = end
                    messages.append(FakeMessage(None, topic, end, KafkaError._PARTITION_EOF))
            self.positions[topic] = position
        return messages

    def close(self) -> None:
        self.closed = True
