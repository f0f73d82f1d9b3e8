"""The matcher's work behind the loop: each owned partition follows first, then decides."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from consumers.matching.age import Ages
from consumers.matching.partition import OwnedPartition
from consumers.matching.standbys import Standbys
from consumers.status import Status
from consumers.worker import LATER, Later
from matcher.clock import Clock
from matcher.events.envelope import Record
from matcher.memory import Memory
from producers.transaction import AbortedError, FencedError, NotOwnerError, OutcomeUnknownError

log = logging.getLogger(__name__)

#: Seconds that following, or asking the log, may take before the loop polls again.
FOLLOW_SLICE = 0.5
#: Seconds that the loop waits for a transaction where nothing more can be decided before it is through. Pausing the
#: partition at once would throw away what was fetched ahead; other partitions wait too.
COMMIT_SLICE = 0.5


class MatchWorker:
    """Implements `consumers.loop.Worker`. While a batch is committed and applied, the next is decided."""

    def __init__(
        self,
        own: Callable[[int, Memory], OwnedPartition],
        standbys: Standbys,
        ages: Ages,
        *,
        batch_size: int,
        patience: float,
        status: Status,
        clock: Clock,
    ) -> None:
        """`patience`: seconds within which the group tells its members that it has thrown them out."""
        self._own = own
        self._standbys = standbys
        self._ages = ages
        self._batch_size = batch_size
        self._patience = patience
        self._status = status
        self._clock = clock
        self._owned: dict[int, OwnedPartition] = {}
        self._waiting: dict[int, list[Record]] = {}
        self._opening: set[int] = set()  # partitions that are ours and whose state is being opened
        self._broken: dict[int, float] = {}  # partition whose transaction failed → when to ask the log about it

    def assigned(self, partition: int) -> int | Later:
        self._ages.check_awake()
        memory = self._standbys.take(partition)
        if memory is None:
            self._opening.add(partition)
            start = None
        else:
            start = self._take_over(partition, memory)
        self._announce()
        return LATER if start is None else start

    def _take_over(self, partition: int, memory: Memory) -> int | None:
        """Returns where to read on; None when Kafka does not say just now, and `poll` will."""
        owned = self._own(partition, memory)
        start: int | None = None
        try:
            start = owned.take_over()
        except TimeoutError as error:  # asked again turn by turn, like after a doubt
            log.warning("partition %d: still not knowing where to read on: %s", partition, error)
            self._broken[partition] = self._clock.monotonic()
        except BaseException:
            owned.close()
            raise
        self._owned[partition] = owned
        self._waiting[partition] = []
        return start

    def revoked(self, partitions: Sequence[int], *, lost: bool) -> None:
        """A transaction under way is seen through; what waits for one is simply read and decided by the next owner.

        What was applied stays, and is what this process goes on from as the standby of the next owner.
        """
        self._ages.check_awake()
        for partition in partitions:
            if partition in self._opening:
                self._opening.discard(partition)
                self._standbys.leave(partition)
            self._waiting.pop(partition, None)
            self._broken.pop(partition, None)
            owned = self._owned.pop(partition, None)
            if owned is not None:
                self._standbys.give(partition, owned.release())
        self._announce()

    def room(self, partition: int) -> int:
        owned = self._owned.get(partition)
        if owned is None or owned.following or partition in self._broken:
            return 0
        return self._batch_size - len(self._waiting[partition])

    def submit(self, records: Sequence[Record]) -> None:
        for record in records:
            self._waiting[record.partition].append(record)

    def busy(self) -> bool:
        owned = self._owned.values()
        return any(self._waiting.values()) or any(o.following or o.in_flight for o in owned) or self._standbys.behind

    def poll(self) -> Mapping[int, int]:
        self._ages.check_awake()
        rewinds = self._take_over_opened()
        for partition, owned in self._owned.items():
            if owned.following:
                owned.follow(FOLLOW_SLICE)
            if partition in self._broken:
                if self._clock.monotonic() >= self._broken[partition]:
                    start = owned.recover(FOLLOW_SLICE)
                    if start is not None:
                        rewinds[partition] = start
                        self._waiting[partition] = []
                        del self._broken[partition]
            elif not owned.following:
                self._try(partition, partial(self._turn, partition, owned))
        if self._status.holds("assigned"):  # before that it may get what it would follow
            self._standbys.step(self._owned.keys() | self._opening, beside_work=bool(self._owned))
        self._announce()
        return rewinds

    def _take_over_opened(self) -> dict[int, int]:
        """Takes over what has been opened since; returns from where to read it."""
        starts = {}
        for partition in list(self._opening):
            memory = self._standbys.take(partition)
            if memory is not None:
                self._opening.discard(partition)
                start = self._take_over(partition, memory)
                if start is not None:
                    starts[partition] = start
        return starts

    def _turn(self, partition: int, owned: OwnedPartition) -> None:
        self._work(partition, owned)
        owned.tend()

    def _work(self, partition: int, owned: OwnedPartition, until: float = math.inf, seconds: float = 0) -> None:
        """Decides what there is room for, after waiting up to `seconds` for the transaction under way."""
        waiting = self._waiting[partition]
        if owned.room <= 0 and len(waiting) >= self._batch_size:
            seconds = max(seconds, COMMIT_SLICE)
        owned.advance(seconds, until)
        batch = waiting[: max(0, owned.room)]
        if batch:
            del waiting[: len(batch)]
            owned.decide(batch, until)

    def _try(self, partition: int, work: Callable[[], None]) -> None:
        """What fails is left to the log: it is asked what became of it, and where to read on."""
        try:
            work()
            return
        except (FencedError, NotOwnerError) as error:
            # Let the group say whose the partition is. If a successor's, it must not be fenced in turn. It is still
            # ours where Kafka rolled back what took too long since this process stood still, or where a predecessor
            # that stood still did not know yet that it was one.
            log.warning(
                "partition %d: asking the log in %g s, if it is still ours: %s", partition, self._patience, error
            )
            self._broken[partition] = self._clock.monotonic() + self._patience
        except (AbortedError, OutcomeUnknownError) as error:
            log.warning("partition %d: asking the log what became of a batch: %s", partition, error)
            self._broken[partition] = self._clock.monotonic()
        # It came after what failed, and is read again.
        self._waiting[partition].clear()

    def drain(self, deadline: float) -> None:
        """Decides what was read and sees it through. What fails now is left to the successor, who asks the log."""
        for partition, owned in self._owned.items():
            while partition not in self._broken and not owned.following and self._unfinished(partition):
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    return
                idle = not self._waiting[partition] or owned.room <= 0
                self._try(partition, partial(self._work, partition, owned, deadline, left if idle else 0))

    def _unfinished(self, partition: int) -> bool:
        return bool(self._waiting[partition]) or self._owned[partition].in_flight

    def close(self) -> None:
        for owned in self._owned.values():
            owned.close()
        self._owned.clear()
        self._standbys.close()

    def _announce(self) -> None:
        behind = {number for number, owned in self._owned.items() if owned.following} | self._broken.keys()
        roles = {number: "taking over" if number in behind else "owner" for number in self._owned}
        roles |= dict.fromkeys(self._opening, "taking over")
        self._status.set_roles(roles | dict.fromkeys(self._standbys.numbers, "standby"))
        self._status.set("index_loaded", "taking over" not in roles.values())
        self._status.set("standby_warm", self._status.holds("assigned") and self._standbys.warm)
