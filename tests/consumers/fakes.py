"""What stands around a worker: clock, group, transactions, all in the hands of the test."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matcher.events.envelope import Outgoing, Record
from producers.transaction import NO_NOTES, AbortedError, OutcomeUnknownError, Partition


class HandClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


def at_once(job: Callable[[], None]) -> None:
    """In the place of a thread."""
    job()


class Jobs:
    """What was to be done beside; done when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, job: Callable[[], None]) -> None:
        self.waiting.append(job)

    def do(self) -> None:
        """The next one."""
        self.waiting.pop(0)()


class CommittedElsewhereError(OutcomeUnknownError):
    """Says the test: the commit did arrive, its answer did not."""


class FakeBroker:
    """Transactions and group in one: what is published and how far the input is committed, together or not at all."""

    def __init__(self) -> None:
        self.published: list[Outgoing] = []
        self.offsets: dict[Partition, int] = {}
        self.notes: dict[Partition, str] = {}
        self.transactions: list[tuple[int, Mapping[Partition, int]]] = []
        self.fail_next: Exception | None = None
        self.unanswered = 0
        self.silent = False
        self.renewed = 0
        self.closed = 0
        self.untils: list[float] = []

    def publish(
        self,
        records: Sequence[Outgoing],
        offsets: Mapping[Partition, int],
        group: Any,
        *,
        notes: Mapping[Partition, str] = NO_NOTES,
        until: float = math.inf,
    ) -> dict[Partition, int]:
        assert group == "metadata"
        assert self.renewed >= 0, "published before the failed transaction was settled"
        self.untils.append(until)
        failure, self.fail_next = self.fail_next, None
        if failure is None or isinstance(failure, CommittedElsewhereError):
            self.published += records
            self.offsets |= offsets
            self.notes |= {place: notes.get(place, "") for place in offsets}
            self.transactions.append((len(records), dict(offsets)))
        if failure is not None:
            self.renewed = -1
            raise failure
        return {}

    def init_again(self, seconds: float) -> bool:
        if self.unanswered:
            self.unanswered -= 1
            return False
        self.renewed = 1
        return True

    def wait(self, seconds: float) -> None:
        pass

    def close(self) -> None:
        self.closed += 1

    def group_metadata(self) -> str:
        return "metadata"

    def committed(self, partition: int) -> int | None:
        if self.silent:
            raise TimeoutError("nobody answers")
        return next((offset for (_, number), offset in self.offsets.items() if number == partition), None)

    def note(self, partition: int) -> str:
        if self.silent:
            raise TimeoutError("nobody answers")
        return next((note for (_, number), note in self.notes.items() if number == partition), "")


FAILURES = (AbortedError("rolled back"), OutcomeUnknownError("no answer"), CommittedElsewhereError("answer lost"))


def record(offset: int, value: bytes | None, *, partition: int = 0, topic: str = "offers", key: bytes = b"") -> Record:
    return Record(
        topic=topic, partition=partition, offset=offset, key=key or f"{partition}-{offset}".encode(), value=value
    )
