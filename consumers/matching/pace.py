"""How many records a batch may have, so that deciding and applying it keeps nobody from polling for long.

A batch of the usual size takes a fraction of a second. On a disk that hangs, with an index that has to be fetched from
it, or on a machine that others use up, it can take a hundred times that; Kafka throws out whoever does not poll.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from matcher.clock import Clock
from matcher.settings import Kafka

#: librdkafka's own `max.poll.interval.ms`, where the settings do not say another.
POLL_INTERVAL_MS = 300_000
#: The part of it that a batch may take, and never more seconds than this.
PART = 1 / 20
LONGEST = 5.0
#: A batch may grow again when the last took less than this part of what it may take.
QUICK = 1 / 4


class Pace:
    """Halves the batch when one took too long, down to a single record; doubles it when they are quick again."""

    def __init__(self, kafka: Kafka, most: int, clock: Clock) -> None:
        interval = float(kafka.properties.get("max.poll.interval.ms", POLL_INTERVAL_MS)) / 1000
        self.seconds = min(LONGEST, interval * PART)
        self.records = most
        self._most = most
        self._clock = clock

    @contextmanager
    def batch(self, records: int) -> Iterator[None]:
        """Measures the work on a batch of so many records, whether it succeeds or not."""
        begun = self._clock.monotonic()
        try:
            yield
        finally:
            took = self._clock.monotonic() - begun
            if took > self.seconds:
                self.records = max(1, min(self.records, records) // 2)
            elif took < QUICK * self.seconds and records >= self.records:
                self.records = min(self._most, 2 * self.records)
