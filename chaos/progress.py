"""What a downstream service sees while chaos reigns: how much has been decided, and when the next decision came."""

import threading
import time
from bisect import bisect_right
from typing import Self

from consumers.watching import Watcher
from matcher.events.envelope import Record
from matcher.settings import Settings


class Progress:
    """Watches `matches` and `dead-letters`. A context manager. Times are Unix seconds."""

    def __init__(self, settings: Settings) -> None:
        topics = settings.topics
        self._matches = topics.matches
        self._changed = threading.Condition()
        self._endings = 0
        self._written: list[float] = []  # when the producing process handed each decision over: Kafka's time of it
        self._seen: list[float] = []  # when it was visible here
        self._watcher = Watcher(settings.kafka, "chaos-watch", {topics.matches: 1, topics.dead_letters: 1}, self._take)

    def __enter__(self) -> Self:
        self._watcher.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._watcher.__exit__(*error)

    @property
    def endings(self) -> int:
        """Decisions, nulls and dead letters so far."""
        return self._endings

    def next_after(self, moment: float, patience: float) -> float | None:
        """When a decision became visible that was written after `moment`; None if there is none in `patience` s."""
        deadline = time.monotonic() + patience
        with self._changed:
            while True:
                at = bisect_right(self._written, moment)
                if at < len(self._written):
                    return self._seen[at]
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return None

    def _take(self, record: Record) -> None:
        with self._changed:
            self._endings += 1
            if record.topic == self._matches:
                # Rising, as one process after the other writes; a clock that is set back must not break the search.
                last = self._written[-1] if self._written else 0.0
                self._written.append(max(last, record.timestamp_ms / 1000))
                self._seen.append(time.time())
            self._changed.notify_all()
