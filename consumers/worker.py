"""What a loop drives: the work of a process, which takes records, lets work go on when asked to, and never blocks."""

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Protocol

from matcher.events.envelope import Record


class Later(Enum):
    """A worker's answer when it cannot say yet from where a partition is to be read."""

    LATER = auto()


LATER = Later.LATER


class Worker(Protocol):
    """What a loop drives. All calls come from the loop's thread."""

    def assigned(self, partition: int) -> int | Later | None:
        """This process now owns `partition`. Returns the offset to start from, or None for the committed one.

        `LATER`: `poll` will say it; until then nothing of the partition is read. The group waits for the answer, so
        this must not take long.
        """

    def revoked(self, partitions: Sequence[int], *, lost: bool) -> None:
        """Gives partitions up: finish and commit what is in flight, or, when `lost`, drop it without a trace."""

    def room(self, partition: int) -> int:
        """How many more records of `partition` it takes now; 0 pauses the partition."""

    def submit(self, records: Sequence[Record]) -> None:
        """Takes records, in the order of each partition's log."""

    def poll(self) -> Mapping[int, int]:
        """Lets the work go on; returns partitions that must be read again, from these offsets."""

    def busy(self) -> bool:
        """Whether records are in flight."""

    def drain(self, deadline: float) -> None:
        """Finishes and commits what is in flight, until the clock's monotonic `deadline`."""

    def close(self) -> None:
        """Frees what is held; nothing in flight is published after this."""
