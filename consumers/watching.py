"""A subscriber to `matches` in a thread: calls back with every decision as it becomes visible."""

import logging
import threading
from collections.abc import Callable
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from consumers.client import consumer_config, record_of
from matcher.events import Unreadable
from matcher.events.decision import Decision, read_decision
from matcher.settings import Settings

log = logging.getLogger(__name__)


class DecisionWatcher:
    """Reads `matches` from its beginning, committed records only, and joins no group. A context manager."""

    def __init__(self, settings: Settings, on_decision: Callable[[Decision], None]) -> None:
        """`on_decision` is called in the watcher's thread."""
        self._settings = settings
        self._on_decision = on_decision
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        topics = self._settings.topics
        consumer = Consumer(dict(consumer_config(self._settings.kafka, f"{self._settings.matcher.group}-watch")))
        consumer.assign([TopicPartition(topics.matches, n, OFFSET_BEGINNING) for n in range(topics.universes)])
        while not self._stopping.is_set():
            for message in consumer.consume(100, 0.2):
                if message.error() is None and message.value() is not None:
                    self._take(record_of(message).value or b"")
        consumer.close()

    def _take(self, value: bytes) -> None:
        try:
            decision = read_decision(value)
        except Unreadable as error:
            log.warning("%s", error)
            return
        self._on_decision(decision)
