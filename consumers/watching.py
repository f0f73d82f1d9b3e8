"""Subscribers in a thread: they call back with every record, or every decision, as it becomes visible."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from consumers.client import consumer_config, record_of
from matcher.events import Unreadable
from matcher.events.decision import Decision, read_decision
from matcher.events.envelope import Record
from matcher.settings import Kafka, Settings

log = logging.getLogger(__name__)


class Watcher:
    """Reads topics from their beginning, committed records only, and joins no group. A context manager.

    Outlasts brokers that are away.
    """

    def __init__(
        self, kafka: Kafka, name: str, partitions: Mapping[str, int], on_record: Callable[[Record], None]
    ) -> None:
        """`partitions`: topic → how many it has. `on_record` is called in the watcher's thread."""
        self._config = dict(consumer_config(kafka, name))
        self._places = [
            TopicPartition(topic, n, OFFSET_BEGINNING) for topic, of in partitions.items() for n in range(of)
        ]
        self._on_record = on_record
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        consumer = Consumer(self._config)
        consumer.assign(self._places)
        while not self._stopping.is_set():
            first = consumer.poll(0.2)  # `consume` alone would wait until there are as many
            for message in () if first is None else (first, *consumer.consume(100, 0)):
                if message.error() is None:
                    self._on_record(record_of(message))
        consumer.close()


class DecisionWatcher(Watcher):
    """Reads `matches`; what is withdrawn or cannot be read is left out."""

    def __init__(self, settings: Settings, on_decision: Callable[[Decision], None]) -> None:
        """`on_decision` is called in the watcher's thread."""
        topics = settings.topics
        name = f"{settings.matcher.group}-watch"
        super().__init__(settings.kafka, name, {topics.matches: topics.universes}, self._take)
        self._on_decision = on_decision

    def _take(self, record: Record) -> None:
        if record.value is None:
            return
        try:
            decision = read_decision(record.value)
        except Unreadable as error:
            log.warning("%s", error)
            return
        self._on_decision(decision)
