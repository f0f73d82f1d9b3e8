"""Time as the stream of offers tells it: it passes only while records come; a stream that stands still ages none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamTime:
    """newest: the greatest Kafka time of a record so far (milliseconds since 1970), 0 before the first;
    passed: milliseconds of stream time that have passed up to it"""

    newest: int = 0
    passed: int = 0

    def after(self, timestamp: int, longest_pause: int) -> StreamTime:
        """With one more record, of this Kafka time. What passed since the newest one counts, but no more than
        `longest_pause` (milliseconds); a record that is older than others before it changes nothing."""
        if timestamp <= self.newest:
            return self
        passed = min(timestamp - self.newest, longest_pause) if self.newest else 0
        return StreamTime(timestamp, self.passed + passed)
