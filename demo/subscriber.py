"""A downstream service in miniature: it subscribes to `matches` and keeps the latest decisions for the screen."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from consumers.client import consumer_config, record_of
from demo.view import Recent
from matcher.events.decision import read_decision
from matcher.settings import Settings


class Subscriber:
    """Reads `matches` in a thread; `title` names an offer by its id."""

    def __init__(self, settings: Settings, title: Callable[[str], str], keep: int = 9) -> None:
        self._settings = settings
        self._title = title
        self._recent: deque[Recent] = deque(maxlen=keep)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="subscriber", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(timeout=10)

    def recent(self) -> Sequence[Recent]:
        """The latest decisions, newest first."""
        return list(reversed(self._recent.copy()))

    def _run(self) -> None:
        consumer = Consumer(dict(consumer_config(self._settings.kafka, f"{self._settings.matcher.group}-screen")))
        topic = self._settings.topics.matches
        count = self._settings.topics.universes
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(count)])
        while not self._stopping.is_set():
            for message in consumer.consume(100, 0.2):
                if message.error() is None and message.value() is not None:
                    self._take(record_of(message).value or b"")
        consumer.close()

    def _take(self, value: bytes) -> None:
        decision = read_decision(value)
        matched = decision.matched_offer_id if decision.outcome != "new_product" else None
        self._recent.append(
            Recent(
                title=self._title(decision.offer_id),
                outcome=decision.outcome,
                probability=decision.probability,
                matched_title=self._title(matched) if matched else None,
            )
        )
