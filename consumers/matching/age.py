"""Whether a state can still be brought up to date by following the log, or has been away for too long.

Kafka removes a null from a compacted topic some time after it was written (`delete.retention.ms`). Who was away for
longer finds neither the offer's old decision nor its null, and would keep the offer for ever. A state that is built
anew holds what `matches` has a row for, and nothing else.
"""

from consumers.tail import span
from index_store.state import State
from matcher.clock import Clock
from matcher.settings import Kafka

#: The offset that the end of a transaction takes: behind a matcher's own last decision there is nothing else.
MARKER = 1


class StoodStillError(RuntimeError):
    """The process was frozen for so long that what it holds in memory cannot be brought up to date."""


class Ages:
    """Judges states by `matches`, where every deletion is a null. `retention`: that topic's, in seconds.

    Half of it is the limit: clocks differ, and reading takes its time.
    """

    def __init__(self, kafka: Kafka, matches: str, retention: float, clock: Clock) -> None:
        self._kafka = kafka
        self._matches = matches
        self._limit_ms = int(retention * 1000 / 2)
        self._clock = clock
        self._turned_ms = clock.now_ms()

    def why_outdated(self, state: State) -> str | None:
        """Why this state must be built anew; None if it need not. Raises as `consumers.tail.tail`."""
        place = (self._matches, state.identity.partition)
        position = state.positions().get(place, 0)
        low, high = span(self._kafka, *place)
        if not position or high - position <= MARKER:
            return None  # nothing was missed, however long that is ago
        if position < low:
            return f"it ends at offset {position} of {self._matches}, which now begins at {low}"
        away_ms = self._clock.now_ms() - state.times().get(place, 0)
        if away_ms <= self._limit_ms:
            return None
        return (
            f"it was away for {_in_words(away_ms)}, and {self._matches} has moved on. Beyond "
            f"{_in_words(self._limit_ms)}, half of that topic's delete.retention.ms, deletions may be missing there"
        )

    def check_awake(self) -> None:
        """To be called with every turn of the loop. Raises `StoodStillError` if the last one is too long ago."""
        now = self._clock.now_ms()
        still_ms, self._turned_ms = now - self._turned_ms, now
        if still_ms > self._limit_ms:
            raise StoodStillError(
                f"this process stood still for {_in_words(still_ms)}, longer than half of the delete.retention.ms of "
                f"{self._matches}: what it holds may lack deletions. Started again, it builds its state anew"
            )


def _in_words(ms: int) -> str:
    seconds = ms / 1000
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"
