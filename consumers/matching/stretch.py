"""A stretch of the two logs that a memory follows, gathered record by record and applied at once."""

from confluent_kafka import KafkaError, KafkaException

from consumers.client import is_passing
from consumers.matching.published import published_in
from matcher.deciding.arrivals import Arrival, read_arrival
from matcher.events.envelope import Record
from matcher.memory import Memory, Published
from matcher.model.bundle import Bundle


class LogShorterThanStateError(RuntimeError):
    """The state knows more than the log: the log lost records, or belongs to another cluster."""


def refuse(topic: str, partition: int, start: int, end: int) -> LogShorterThanStateError:
    """The error for a state that has applied records up to `start` of a log that ends at `end`."""
    return LogShorterThanStateError(
        f"the state has applied {topic}/{partition} up to {start}, but that log ends at {end}: it lost "
        f"records, or this is another cluster. If the log is right, delete the state folder: it is rebuilt from it"
    )


def is_end(error: KafkaError) -> bool:
    """Whether it says that the end was reached; False for what passes by itself. Raises `KafkaException` for others."""
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    if not is_passing(error):
        raise KafkaException(error)
    return False


class Stretch:
    """Records of `offer-features` and `matches` of one partition, each in the order of its log."""

    def __init__(self, partition: int, bundle: Bundle) -> None:
        self._partition = partition
        self._bundle = bundle
        self._arrivals: list[Arrival] = []
        self._published: list[Published] = []
        self._times: dict[tuple[str, int], int] = {}
        self.positions: dict[tuple[str, int], int] = {}

    def __len__(self) -> int:
        """Records that say something."""
        return len(self._arrivals) + len(self._published)

    def take_features(self, record: Record) -> None:
        """What cannot be read became a dead letter; a withdrawal is applied by its null on `matches`."""
        self.reach(record.topic, record.offset + 1)
        arrival = read_arrival(record, self._bundle)
        if isinstance(arrival, Arrival) and arrival.features is not None:
            self._arrivals.append(arrival)

    def take_decision(self, record: Record) -> None:
        """One that cannot be read is from a newer offermatch: raises `Unreadable`, skips nothing."""
        self.reach(record.topic, record.offset + 1)
        place = (record.topic, self._partition)
        self._times[place] = max(record.timestamp_ms, self._times.get(place, 0))
        self._published.extend(published_in(record))

    def reach(self, topic: str, offset: int) -> None:
        """Everything of `topic` before `offset` is in this stretch or in those before it."""
        self.positions[topic, self._partition] = offset

    def apply_to(self, memory: Memory) -> None:
        if self.positions:
            memory.follow(self._arrivals, self._published, self.positions, self._times)
