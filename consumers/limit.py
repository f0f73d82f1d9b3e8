"""The limit on dead letters: a process that would send everything there stops, and stays stopped when restarted.

What was counted is committed beside the offsets, in the same transaction: it outlives the process, moves with the
partition, and cannot disagree with what was published. The batch that would go beyond the limit is not committed.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec
from msgspec import Struct

from consumers.status import Status
from matcher.clock import Clock
from matcher.events.dead_letter import Failure
from matcher.events.envelope import Record
from matcher.metrics import Metrics
from matcher.settings import DeadLetters

log = logging.getLogger(__name__)

#: Dead letters in a row that a note may tell: no partition has had more, and no metric shows a larger number exactly.
MAX_RUN = 2**53
#: Seconds between two looks at whether a lingering process is to end.
LOOK_EVERY = 0.1


class DeadLetterLimitError(RuntimeError):
    """Too many dead letters in a row, or too large a share of them: something is wrong with us, not with the offers."""


class Tally(Struct, frozen=True):
    """Of one partition: dead letters in a row at its end, and their share, each record weighing less as others come."""

    run: int = 0
    share: float = 0.0

    def after(self, dead: bool, window: int) -> "Tally":
        return Tally(self.run + 1 if dead else 0, self.share + (dead - self.share) / window)


class Notes(Protocol):
    """Where the tallies of earlier processes are; `consumers.loop.Loop` is one."""

    def note(self, partition: int) -> str: ...


class DeadLetterLimit:
    """Counts what one process is about to commit from `topic`, partition by partition."""

    def __init__(self, settings: DeadLetters, topic: str, notes: Notes, metrics: Metrics) -> None:
        self._settings = settings
        self._topic = topic
        self._notes = notes
        self._metrics = metrics
        self._tallies: dict[int, Tally] = {}

    def judge(self, records: Iterable[tuple[Record, Failure | None]]) -> Mapping[int, Tally]:
        """The tallies of the partitions once `records` (in the order of their logs) are committed, with what failed.

        Changes nothing by itself: `keep` does, after the commit. Raises `DeadLetterLimitError`, and `TimeoutError`
        while Kafka does not say what was counted before.
        """
        tallies: dict[int, Tally] = {}
        for record, failure in records:
            tally = tallies.get(record.partition) or self._known(record.partition)
            tally = tally.after(failure is not None, self._settings.window)
            if failure is not None:
                self._check(tally, record, failure)
            tallies[record.partition] = tally
        return tallies

    def kept(self, partition: int) -> Mapping[int, Tally]:
        """The tally that is committed: to be committed again beside an offset that does not move. Raises as `judge`."""
        return {partition: self._known(partition)}

    def keep(self, tallies: Mapping[int, Tally]) -> None:
        """They were committed."""
        self._tallies.update(tallies)
        for partition, tally in tallies.items():
            self._show(partition, tally)

    def forget(self, partitions: Iterable[int]) -> None:
        """What is known of these may be wrong: a transaction failed, or they went to somebody else."""
        for partition in partitions:
            self._tallies.pop(partition, None)

    def _known(self, partition: int) -> Tally:
        if partition not in self._tallies:
            self._tallies[partition] = read_note(self._notes.note(partition))
            self._show(partition, self._tallies[partition])
        return self._tallies[partition]

    def _show(self, partition: int, tally: Tally) -> None:
        self._metrics.dead_letter_run.labels(self._topic, str(partition)).set(tally.run)
        self._metrics.dead_letter_share.labels(self._topic, str(partition)).set(tally.share)

    def _check(self, tally: Tally, record: Record, failure: Failure) -> None:
        limits = self._settings
        if limits.run and tally.run > limits.run:
            what = f"more than {limits.run} dead letters in a row"
            remedy = "OFFERMATCH_DEAD_LETTERS_RUN to a higher number (0: any)"
        elif limits.share < 1 and tally.share > limits.share:
            what = f"more than {limits.share:.0%} of the last records would be dead letters"
            remedy = "OFFERMATCH_DEAD_LETTERS_SHARE higher (1: all)"
        else:
            return
        raise DeadLetterLimitError(
            f"stopped: {what} in {self._topic}/{record.partition}, the last at offset {record.offset} "
            f"({failure.stage}: {failure.reason}: {failure.message[:200]}). This batch is not committed and nothing is "
            f"lost. Mend the cause and start again; if the records are to blame, set {remedy} until they are through"
        )


def notes_of(topic: str, tallies: Mapping[int, Tally]) -> dict[tuple[str, int], str]:
    """What to commit beside the offsets."""
    return {(topic, partition): msgspec.json.encode(tally).decode() for partition, tally in tallies.items()}


def read_note(note: str) -> Tally:
    """A note that is none of ours (a tool has set the offset) counts as none."""
    try:
        tally = msgspec.json.decode(note, type=Tally)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return Tally()
    return tally if 0 <= tally.run <= MAX_RUN and 0 <= tally.share <= 1 else Tally()


def stay_visible(
    error: DeadLetterLimitError,
    seconds: float,
    stopping: Callable[[], bool],
    *,
    status: Status,
    metrics: Metrics,
    clock: Clock,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Raises the alarm on `/metrics` and keeps it there for `seconds`, or until `stopping()`: then it may be scraped.

    A supervisor's restart is slowed down by as much.
    """
    log.error("%s", error)
    metrics.dead_letter_limit.set(1)
    status.set("assigned", False)
    until = clock.monotonic() + seconds
    while not stopping() and clock.monotonic() < until:
        status.heartbeat()
        wait(LOOK_EVERY)
