"""The matcher's bookkeeping: follow first, then decide; after any doubt ask the log, but only about what is ours."""

from collections.abc import Collection, Sequence
from itertools import chain

import pytest

from consumers.matching.age import Ages, StoodStillError
from consumers.matching.worker import MatchWorker
from consumers.status import Status
from consumers.worker import LATER
from matcher.events.envelope import Record
from matcher.metrics import Metrics
from matcher.settings import Kafka
from producers.transaction import AbortedError, FencedError, NotOwnerError, OutcomeUnknownError
from tests.consumers.fakes import HandClock, record

PATIENCE = 10.0
RETENTION = 600.0
BATCH = 10


class FakePartition:
    """An owned partition whose following, committing and failing is in the hands of the test.

    `decided` holds what was committed; what was decided and is not yet is `pending`.
    """

    def __init__(self, number: int, memory: str = "") -> None:
        self.number = number
        self.memory = memory
        self.slices_to_follow = 0
        self.decided: list[list[int]] = []
        self.untils: list[float] = []
        self.pending: list[list[int]] = []
        self.slow = False
        self.waited: list[float] = []
        self.fail_next: Exception | None = None
        self.fail_expiry: Exception | None = None
        self.expiries: list[int] = []
        self.unanswered = 0
        self.recovered = 0
        self.closed = 0
        self.released = 0
        self.start = 5

    @property
    def following(self) -> bool:
        return self.slices_to_follow > 0

    def take_over(self) -> int:
        if self.unanswered:
            raise TimeoutError("no answer from Kafka in time")
        self.slices_to_follow = 2
        return self.start

    def follow(self, seconds: float) -> None:
        self.slices_to_follow -= 1

    def recover(self, seconds: float) -> int | None:
        if self.unanswered:
            self.unanswered -= 1
            return None
        self.recovered += 1
        self.slices_to_follow = 1
        return self.start

    @property
    def in_flight(self) -> bool:
        return bool(self.pending)

    @property
    def room(self) -> int:
        """The first of what is pending is under way, the others wait behind it."""
        return BATCH - sum(map(len, self.pending[1:]))

    def decide(self, records: Sequence[Record], until: float) -> None:
        assert not self.following, "decided before the log was followed"
        assert 0 < len(records) <= self.room
        self.untils.append(until)
        self.pending.append([record.offset for record in records])
        self.advance(0, until)

    def advance(self, seconds: float, until: float) -> None:
        assert not self.following, "committed before the log was followed"
        self.waited.append(seconds)
        if self.slow or not self.pending:
            return
        pending, self.pending = self.pending, []
        failure, self.fail_next = self.fail_next, None
        if failure is not None:
            raise failure
        self.decided += pending

    def release(self) -> str:
        self.released += 1
        return self.memory

    def tend(self) -> None:
        assert not self.following, "let offers go before the log was followed"
        failure, self.fail_expiry = self.fail_expiry, None
        if failure is not None:
            raise failure
        self.expiries.append(sum(len(batch) for batch in self.decided))

    def close(self) -> None:
        self.closed += 1


class FakeStandbys:
    """The partitions followed are in the hands of the test."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        self.warm = True
        self.behind = False
        self.steps: list[tuple[set[int], bool]] = []
        self.given: list[tuple[int, str]] = []
        self.closed = False
        self.cold: set[int] = set()
        self.left: list[int] = []

    def take(self, partition: int) -> str | None:
        return None if partition in self.cold else f"memory {partition}"

    def leave(self, partition: int) -> None:
        self.left.append(partition)

    def give(self, partition: int, memory: str) -> None:
        self.given.append((partition, memory))
        self.numbers.add(partition)

    def step(self, owned: Collection[int], *, beside_work: bool) -> None:
        self.steps.append((set(owned), beside_work))

    def close(self) -> None:
        self.closed = True


class Bench:
    def __init__(self, batch_size: int = BATCH) -> None:
        self.clock = HandClock()
        self.status = Status(Metrics(), self.clock, 60.0, ["assigned", "index_loaded", "standby_warm"])
        self.status.set("assigned", True)
        self.standbys = FakeStandbys()
        self.made: list[FakePartition] = []
        self.unanswered = 0
        self.worker = MatchWorker(
            self.open_partition,  # type: ignore[arg-type]
            self.standbys,  # type: ignore[arg-type]
            Ages(Kafka(), "matches", RETENTION, self.clock),
            batch_size=batch_size,
            patience=PATIENCE,
            status=self.status,
            clock=self.clock,
        )

    def open_partition(self, number: int, memory: str) -> FakePartition:
        self.made.append(FakePartition(number, memory))
        self.made[-1].unanswered = self.unanswered
        return self.made[-1]

    def own(self, number: int = 0) -> FakePartition:
        """A partition that has followed and decides."""
        self.worker.assigned(number)
        while self.made[-1].following:
            self.worker.poll()
        return self.made[-1]

    def read(self, *offsets: int, partition: int = 0) -> None:
        self.worker.submit([record(offset, b"x", partition=partition) for offset in offsets])


def test_it_reads_nothing_and_is_not_ready_before_the_log_was_followed():
    bench = Bench()
    assert bench.worker.assigned(0) == 5, "it decides from where the group stands"
    assert bench.worker.busy()
    assert bench.worker.room(0) == 0
    bench.worker.poll()
    assert not bench.status.ready
    bench.worker.poll()
    assert bench.status.ready
    assert bench.worker.room(0) == 10


def test_a_partition_that_is_handed_over_while_kafka_is_silent_is_asked_about_turn_by_turn():
    bench = Bench()
    bench.unanswered = 2
    assert bench.worker.assigned(0) is LATER
    (owned,) = bench.made
    assert owned.closed == 0
    for _ in range(2):
        assert bench.worker.room(0) == 0
        assert bench.worker.poll() == {}
        assert not bench.status.ready
    assert bench.worker.poll() == {0: 5}, "it reads on from where the group stands"
    while owned.following:
        bench.worker.poll()
    bench.read(5)
    bench.worker.poll()
    assert owned.decided == [[5]]
    assert bench.status.ready


def test_a_partition_whose_state_is_not_open_is_taken_over_when_it_is_and_holds_up_no_other():
    bench = Bench()
    warm = bench.own(1)
    assert bench.status.ready
    bench.standbys.cold = {0}
    assert bench.worker.assigned(0) is LATER
    assert not bench.status.ready
    for offset in (7, 8):
        bench.read(offset, partition=1)
        assert bench.worker.poll() == {}
        assert bench.worker.room(0) == 0
        assert bench.status.report().roles == {"0": "taking over", "1": "owner"}
        assert bench.standbys.steps[-1] == ({0, 1}, True), "nor is it to be followed"
    assert warm.decided == [[7], [8]]
    assert len(bench.made) == 1
    bench.standbys.cold = set()
    assert bench.worker.poll() == {0: 5}, "it decides from where the group stands by now"
    cold = bench.made[-1]
    assert (cold.number, cold.memory) == (0, "memory 0")
    assert bench.worker.room(0) == 0, "it follows first"
    assert not bench.status.ready
    bench.worker.poll()
    bench.read(5)
    bench.worker.poll()
    assert cold.decided == [[5]]
    assert bench.status.ready


@pytest.mark.parametrize("lost", [True, False])
def test_a_partition_that_goes_away_while_its_state_is_opened_was_never_owned(lost: bool):
    bench = Bench()
    bench.standbys.cold = {0}
    bench.worker.assigned(0)
    bench.worker.poll()
    bench.worker.revoked([0], lost=lost)
    assert bench.status.report().roles == {}
    bench.standbys.cold = set()
    assert bench.worker.poll() == {}
    assert (bench.made, bench.standbys.left, bench.standbys.given) == ([], [0], [])
    assert bench.standbys.steps[-1] == (set(), False), "it may be followed from now on"


def test_kafka_may_be_silent_when_the_state_is_open_at_last():
    bench = Bench()
    bench.standbys.cold = {0}
    bench.worker.assigned(0)
    bench.standbys.cold, bench.unanswered = set(), 2
    assert [bench.worker.poll() for _ in range(3)] == [{}, {}, {0: 5}]


def test_what_was_read_is_decided_as_one_batch_in_order():
    bench = Bench()
    owned = bench.own()
    bench.read(5, 6)
    bench.read(7)
    assert bench.worker.room(0) == 7
    assert bench.worker.poll() == {}
    assert owned.decided == [[5, 6, 7]]
    assert not bench.worker.busy()
    bench.worker.poll()
    assert owned.decided == [[5, 6, 7]]


def test_expired_offers_go_between_batches_and_while_nothing_comes():
    bench = Bench()
    owned = bench.own()
    bench.read(5, 6)
    bench.worker.poll()
    bench.worker.poll()
    assert owned.expiries == [0, 2, 2], "so many were decided before"


def test_an_expiry_in_doubt_is_settled_by_the_log_like_a_batch():
    bench = Bench()
    owned = bench.own()
    owned.fail_expiry, owned.start = OutcomeUnknownError("no answer"), 7
    bench.read(5, 6)
    assert bench.worker.poll() == {}
    assert bench.worker.room(0) == 0
    assert bench.worker.poll() == {0: 7}
    bench.worker.poll()
    bench.worker.poll()
    assert (owned.decided, owned.expiries, owned.recovered) == ([[5, 6]], [0, 2, 2], 1)


def test_nothing_expires_while_a_batch_is_in_doubt():
    bench = Bench()
    owned = bench.own()
    owned.fail_next = FencedError("another producer")
    bench.read(5)
    bench.worker.poll()
    bench.worker.poll()
    assert owned.expiries == [0], "from before the batch"


@pytest.mark.parametrize("failure", [AbortedError("rolled back"), OutcomeUnknownError("no answer")])
def test_after_a_transaction_in_doubt_the_log_is_asked_at_once(failure: Exception):
    bench = Bench()
    owned = bench.own()
    owned.fail_next, owned.unanswered, owned.start = failure, 2, 6
    bench.read(5, 6)
    assert bench.worker.poll() == {}
    assert bench.worker.room(0) == 0
    assert [bench.worker.poll() for _ in range(2)] == [{}, {}], "as long as Kafka does not answer"
    assert bench.worker.poll() == {0: 6}
    assert bench.worker.room(0) == 0, "it follows first"
    bench.worker.poll()
    bench.read(6)
    bench.worker.poll()
    assert owned.decided == [[6]]


@pytest.mark.parametrize("failure", [FencedError("another producer"), NotOwnerError("no member")])
def test_who_was_fenced_or_thrown_out_waits_for_the_group_before_it_fences_anybody(failure: Exception):
    bench = Bench()
    owned = bench.own()
    owned.fail_next = failure
    bench.read(5)
    bench.worker.poll()
    bench.clock.seconds += PATIENCE - 1
    assert bench.worker.poll() == {}
    assert owned.recovered == 0
    bench.worker.revoked([0], lost=True)
    bench.clock.seconds += 2
    assert bench.worker.poll() == {}
    assert (owned.recovered, owned.released) == (0, 1)


def test_who_was_fenced_by_a_predecessor_that_woke_up_goes_on_when_the_group_does_not_object():
    bench = Bench()
    owned = bench.own()
    owned.fail_next = FencedError("a predecessor")
    bench.read(5)
    bench.worker.poll()
    bench.clock.seconds += PATIENCE
    assert bench.worker.poll() == {0: 5}
    bench.worker.poll()
    bench.read(5)
    bench.worker.poll()
    assert owned.decided == [[5]]


def test_partitions_do_not_disturb_each_other():
    bench = Bench()
    one, two = bench.own(0), bench.own(1)
    one.fail_next = AbortedError("rolled back")
    bench.read(1, partition=0)
    bench.read(2, partition=1)
    bench.worker.poll()
    assert two.decided == [[2]]
    assert bench.worker.room(1) == 10
    bench.worker.revoked([0], lost=False)
    assert (one.released, two.released) == (1, 0)


def test_what_waits_is_left_to_the_next_owner():
    bench = Bench()
    owned = bench.own()
    bench.read(5, 6)
    bench.worker.revoked([0], lost=False)
    assert owned.decided == []
    assert owned.released == 1
    assert bench.worker.room(0) == 0


def test_a_take_over_that_fails_frees_the_state():
    bench = Bench()

    class Refused(FakePartition):
        def take_over(self) -> int:
            raise FencedError("somebody else came first")

    bench.worker._own = lambda number, memory: bench.made.append(Refused(number)) or bench.made[-1]  # type: ignore
    with pytest.raises(FencedError):
        bench.worker.assigned(0)
    assert bench.made[0].closed == 1


def test_draining_decides_what_was_read_within_the_time_and_asks_nobody_about_failures():
    bench = Bench()
    one, two = bench.own(0), bench.own(1)
    bench.read(5, partition=0)
    bench.read(6, partition=1)
    two.fail_next = AbortedError("the broker is gone")
    deadline = bench.clock.seconds + 3
    bench.worker.drain(deadline)
    assert (one.decided, two.decided) == ([[5]], [])
    assert one.untils[-1] == deadline
    assert two.recovered == 0


def test_while_a_commit_is_under_way_the_next_records_are_decided_and_what_finds_no_room_waits():
    bench = Bench()
    owned = bench.own()
    owned.slow = True
    bench.read(*range(10))
    bench.worker.poll()
    assert owned.pending == [list(range(10))]
    assert bench.worker.busy(), "something is in flight"
    bench.read(*range(10, 16))
    bench.worker.poll()
    bench.read(*range(16, 22))
    bench.worker.poll()
    assert owned.pending[1:] == [[10, 11, 12, 13, 14, 15], [16, 17, 18, 19]]
    assert bench.worker.room(0) == 8
    assert set(owned.waited) == {0}, "the loop is never held up while there is room"
    bench.read(*range(22, 30))
    bench.worker.poll()
    assert bench.worker.room(0) == 0
    assert owned.waited[-1] > 0
    owned.slow = False
    bench.worker.poll()
    assert [*chain(*owned.decided)] == list(range(30))
    assert not bench.worker.busy()


def test_what_was_read_behind_a_failed_transaction_is_read_again_and_not_decided():
    bench = Bench()
    owned = bench.own()
    owned.slow = True
    bench.read(*range(30))
    for _ in range(3):
        bench.worker.poll()
    assert [*chain(*owned.pending)] == list(range(20))
    owned.slow, owned.fail_next, owned.start = False, AbortedError("rolled back"), 0
    assert bench.worker.poll() == {}
    assert bench.worker.poll() == {0: 0}
    bench.worker.poll()
    bench.read(0)
    bench.worker.poll()
    assert owned.decided == [[0]]


def test_draining_sees_through_what_is_in_flight_within_the_time():
    bench = Bench()
    owned = bench.own()
    owned.slow = True
    bench.read(*range(25))
    for _ in range(3):
        bench.worker.poll()

    def land_in_time(seconds: float, until: float) -> None:
        bench.clock.seconds += min(seconds, 1.0)
        if seconds > 0:
            owned.decided.append(owned.pending.pop(0))

    owned.advance = land_in_time  # type: ignore[method-assign]
    bench.worker.drain(bench.clock.seconds + 2.5)
    assert owned.decided == [list(range(10)), list(range(10, 20)), [20, 21, 22, 23, 24]]
    bench.read(*range(25, 50))
    owned.decided.clear()
    bench.worker.drain(bench.clock.seconds + 1.5)
    assert owned.decided == [list(range(25, 35)), list(range(35, 45))]
    assert owned.pending == [list(range(45, 50))], "left to the next owner"


def test_draining_after_the_time_is_up_does_nothing():
    bench = Bench()
    owned = bench.own()
    bench.read(5)
    bench.worker.drain(bench.clock.seconds)
    assert owned.decided == []


def test_a_process_without_partitions_is_a_standby_and_ready_once_it_is_warm():
    bench = Bench()
    bench.standbys.numbers, bench.standbys.warm = {0}, False
    bench.worker.poll()
    assert not bench.status.ready
    bench.standbys.warm = True
    bench.worker.poll()
    assert bench.status.ready
    assert bench.status.report().roles == {"0": "standby"}


def test_it_says_what_it_is_to_each_partition():
    bench = Bench()
    bench.own(1)
    bench.worker.assigned(0)
    bench.standbys.numbers = {2}
    bench.worker.poll()
    assert bench.status.report().roles == {"0": "taking over", "1": "owner", "2": "standby"}


@pytest.mark.parametrize("lost", [True, False])
def test_what_it_gives_up_it_goes_on_following_with_what_it_has(lost: bool):
    bench = Bench()
    owned = bench.own()
    assert owned.memory == "memory 0", "what was followed is what it decides with"
    bench.worker.revoked([0], lost=lost)
    assert bench.standbys.given == [(0, "memory 0")]
    assert owned.closed == 0
    assert bench.status.report().roles == {"0": "standby"}


def test_it_follows_nothing_before_the_group_has_said_what_it_owns():
    bench = Bench()
    bench.status.set("assigned", False)
    bench.worker.poll()
    assert bench.standbys.steps == []
    bench.status.set("assigned", True)
    assert not bench.status.ready, "what it is to follow is not known yet"
    bench.worker.poll()
    bench.own()
    bench.worker.poll()
    assert bench.standbys.steps[0] == (set(), False)
    assert bench.standbys.steps[-1] == ({0}, True)


def test_it_waits_for_nothing_while_there_is_more_to_follow():
    bench = Bench()
    assert not bench.worker.busy()
    bench.standbys.behind = True
    assert bench.worker.busy()


def test_a_process_that_stood_still_for_as_long_as_deletions_may_be_gone_stops():
    bench = Bench()
    bench.own()
    bench.clock.seconds += RETENTION / 2
    bench.worker.poll()
    bench.clock.seconds += RETENTION / 2 + 1
    with pytest.raises(StoodStillError, match=r"stood still for 5\.0 minutes"):
        bench.worker.poll()
    bench.worker.poll()


def test_the_first_word_of_a_group_does_not_hide_that_the_process_stood_still():
    bench = Bench()
    bench.own()
    bench.clock.seconds += RETENTION
    with pytest.raises(StoodStillError):
        bench.worker.revoked([0], lost=True)
