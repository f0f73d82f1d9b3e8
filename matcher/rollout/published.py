"""What was published: the last decision on each offer, as far as the shadow has read the log."""

from collections.abc import Mapping

from matcher.events.decision import Decision, read_decision
from matcher.events.envelope import Record, read_envelope
from matcher.events.place import Place


class Published:
    """Takes the records of `matches`, those of each partition in order; `decisions` is then the table offer → decision.

    What followed from features behind `ends` (partition → next offset of `features`) is counted in `since` and left
    out: the shadow has not seen it.
    """

    def __init__(self, features: str, ends: Mapping[int, int]) -> None:
        self._features = features
        self._ends = ends
        self.decisions: dict[str, Decision] = {}
        self.since = 0

    def take(self, record: Record) -> None:
        """Raises `matcher.events.Unreadable` for a decision that another offermatch wrote."""
        if record.value is None:
            if self._is_since(read_envelope(record).cause):
                self.since += 1
            else:
                self.decisions.pop((record.key or b"").decode(), None)
            return
        decision = read_decision(record.value)
        if self._is_since(decision.cause):
            self.since += 1
        else:
            self.decisions[decision.offer_id] = decision

    def _is_since(self, cause: Place | None) -> bool:
        return (
            cause is not None and cause.topic == self._features and cause.offset >= self._ends.get(cause.partition, 0)
        )
