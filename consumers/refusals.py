"""Records whose outcome Kafka refuses to take: tried alone, then dead letters, so that no transaction fails for ever.

Kafka refuses whole batches. Where one record of a transaction was refused it is to blame; of several, each is
suspected, and goes into a transaction of its own: there it passes, or is found out.
"""

from collections.abc import Iterable, Sequence

from matcher.events.dead_letter import Failure
from matcher.events.place import Place
from producers.refusal import RefusedError, UnpublishableError


class Refusals:
    """What one process was told about records that it has read and will read again. Nothing of it need outlive it."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._suspects: set[Place] = set()
        self._refused: dict[Place, Failure] = {}

    def __len__(self) -> int:
        """How many records have to be looked at one by one."""
        return len(self._suspects) + len(self._refused)

    def suspects(self, place: Place) -> bool:
        """Whether this record is to go into a transaction of its own."""
        return place in self._suspects or place in self._refused

    def failure(self, place: Place) -> Failure | None:
        """Why this record is a dead letter, if Kafka has made it one."""
        return self._refused.get(place)

    def take(self, error: RefusedError, places: Sequence[Place | None]) -> None:
        """`places`: of each record of the transaction that failed, the one that it came from; None: from none.

        Raises `UnpublishableError` when Kafka does not take a dead letter either, or what came from no record.
        """
        blamed = {places[number] for number in error.refused}
        if len(blamed) > 1:
            self._suspects.update(place for place in blamed if place is not None)
            return
        (place,) = blamed
        if place is None or place in self._refused:
            what = "what came of no record" if place is None else f"the dead letter of {place}"
            raise UnpublishableError(
                f"Kafka refuses {what}: {error.why}. Nothing is lost: see that max.message.bytes of each topic is what "
                f"`offermatch topics create` makes it, and start again"
            ) from error
        message = f"expected something that Kafka takes, but it refuses what came of this record: {error.why}"
        self._refused[place] = Failure(stage=self._stage, reason="refused", message=message)

    def passed(self, topic: str, partition: int, offset: int) -> None:
        """Everything before `offset` is committed."""
        self._suspects = set(_open(self._suspects, topic, partition, offset))
        self._refused = {place: self._refused[place] for place in _open(self._refused, topic, partition, offset)}


def _open(places: Iterable[Place], topic: str, partition: int, offset: int) -> Iterable[Place]:
    return (place for place in places if (place.topic, place.partition) != (topic, partition) or place.offset >= offset)
