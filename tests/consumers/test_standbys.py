"""Which partitions a process follows without owning them: so many, those at hand first, and none that it owns."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest
from confluent_kafka import KafkaException, TopicPartition

import consumers.matching.group_offsets
from consumers.matching.group_offsets import INTERVAL, GroupOffsets
from consumers.matching.opening import Opener
from consumers.matching.standbys import MOST, MOST_BESIDE_WORK, Standbys
from matcher.metrics import Metrics
from matcher.settings import Kafka
from tests.consumers.fakes import HandClock, Jobs, at_once


class FakeMemory:
    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = False

    def __len__(self) -> int:
        return 10 + self.number

    def close(self) -> None:
        self.closed = True


class FakeStandby:
    def __init__(self, number: int, memory: FakeMemory) -> None:
        self.number, self.memory = number, memory
        self.warm = False
        self.more = False
        self.steps: list[tuple[int | None, int]] = []

    def step(self, committed: int | None, most: int) -> bool:
        self.steps.append((committed, most))
        return self.more

    def lag(self) -> dict[str, int]:
        return {"matches": 3, "offer-features": 4}

    def release(self) -> FakeMemory:
        return self.memory

    def close(self) -> None:
        self.memory.close()


class FakeOffsets:
    def __init__(self) -> None:
        self.asked: list[set[int]] = []
        self.closed = False

    def ask(self, partitions) -> None:
        self.asked.append(set(partitions))

    def of(self, partition: int) -> int:
        return 100 + partition

    def close(self) -> None:
        self.closed = True


class Bench:
    def __init__(self, partitions: int = 4, most: int = 2, run: Callable[[Callable[[], None]], None] = at_once) -> None:
        self.opened: list[int] = []
        self.memories: dict[int, FakeMemory] = {}
        self.metrics, self.offsets = Metrics(), FakeOffsets()
        self.followed: dict[int, FakeStandby] = {}
        self.standbys = Standbys(
            Opener(self.open, run),  # type: ignore[arg-type]
            self.follow,  # type: ignore[arg-type]
            self.offsets,  # type: ignore[arg-type]
            partitions=partitions,
            most=most,
            metrics=self.metrics,
        )

    def open(self, number: int) -> FakeMemory:
        self.opened.append(number)
        self.memories[number] = FakeMemory(number)
        return self.memories[number]

    def follow(self, number: int, memory: FakeMemory) -> FakeStandby:
        self.followed[number] = FakeStandby(number, memory)
        return self.followed[number]

    def steps(self, *owned: int, count: int = 3, beside_work: bool = False) -> None:
        for _ in range(count):
            self.standbys.step(set(owned), beside_work=beside_work)

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


def test_it_follows_the_lowest_numbers_that_it_does_not_own_and_no_more_than_it_may():
    bench = Bench(most=2)
    bench.steps(0, 2)
    assert list(bench.standbys.numbers) == [1, 3]
    bench = Bench(most=2)
    bench.steps(1)
    assert list(bench.standbys.numbers) == [0, 2]
    assert bench.offsets.asked[-1] == {0, 2}


def test_none_is_followed_where_none_may_be():
    bench = Bench(most=0)
    bench.steps()
    assert bench.opened == []
    assert bench.standbys.warm
    memory = FakeMemory(1)
    bench.standbys.give(1, memory)  # type: ignore[arg-type]
    assert memory.closed


def test_what_was_followed_is_what_is_taken_over():
    bench = Bench()
    bench.steps(0)
    followed = bench.followed[1].memory
    assert bench.sample("offermatch_standby_lag_records", topic="matches", partition="1") == 3
    assert bench.sample("offermatch_standby_offers", partition="1") == 11
    assert bench.standbys.take(1) is followed
    assert not followed.closed
    assert list(bench.standbys.numbers) == [2]
    assert bench.sample("offermatch_standby_lag_records", topic="matches", partition="1") is None
    assert bench.sample("offermatch_standby_offers", partition="1") is None


def test_what_was_not_followed_is_opened():
    bench = Bench()
    assert bench.standbys.take(3).number == 3  # type: ignore[attr-defined]
    assert bench.opened == [3]


def test_what_was_given_up_is_followed_with_the_memory_there_is_and_the_oldest_makes_room():
    bench = Bench(most=2)
    bench.steps(0, 3)
    memory = FakeMemory(3)
    bench.standbys.give(3, memory)  # type: ignore[arg-type]
    assert list(bench.standbys.numbers) == [2, 3]
    assert bench.followed[3].memory is memory
    assert bench.followed[1].memory.closed
    assert bench.opened == [1, 2]


def test_beside_work_it_takes_small_steps():
    bench = Bench(most=1)
    bench.steps(0, count=1)
    assert bench.followed[1].steps == [(101, MOST)]
    bench.steps(0, count=1, beside_work=True)
    assert bench.followed[1].steps[-1] == (101, MOST_BESIDE_WORK)


def test_it_is_warm_when_all_are_and_behind_when_any_is():
    bench = Bench(most=2)
    assert not bench.standbys.warm, "it does not know yet what there is to follow"
    bench.steps(0)
    assert not bench.standbys.warm
    assert not bench.standbys.behind
    bench.followed[1].warm = bench.followed[2].warm = True
    bench.followed[1].more = True
    bench.steps(0)
    assert bench.standbys.warm
    assert bench.standbys.behind


def test_it_is_not_warm_before_all_are_followed_that_are_to_be():
    bench = Bench(most=2)
    bench.steps(0, count=1)
    bench.followed[1].warm = True
    assert not bench.standbys.warm


def test_closing_frees_every_memory_and_nothing_is_followed_afterwards():
    bench = Bench(most=2)
    bench.steps(0)
    bench.standbys.close()
    assert all(standby.memory.closed for standby in bench.followed.values())
    assert bench.offsets.closed
    bench.steps(0)
    assert not bench.standbys.numbers


def test_a_state_is_opened_beside_and_once_however_often_it_is_asked_for():
    jobs = Jobs()
    bench = Bench(run=jobs)
    assert [bench.standbys.take(3) for _ in range(3)] == [None] * 3
    bench.steps(3)
    assert (bench.opened, len(jobs.waiting)) == ([], 1), "one at a time"
    jobs.do()
    assert bench.standbys.take(3) is bench.memories[3]  # type: ignore[comparison-overlap]
    assert bench.standbys.take(3) is None, "what was taken belongs to who took it"


def test_what_was_freed_is_opened_again():
    bench = Bench()
    for _ in range(2):
        memory = bench.standbys.take(3)
        assert memory is not None
        memory.close()
    assert bench.opened == [3, 3]


def test_what_is_opened_to_be_followed_can_be_taken_over_before_it_is_open():
    jobs = Jobs()
    bench = Bench(most=1, run=jobs)
    bench.steps(1)
    assert not bench.standbys.warm
    assert bench.standbys.take(0) is None
    jobs.do()
    bench.steps(0, 1)
    assert bench.standbys.take(0) is bench.memories[0]  # type: ignore[comparison-overlap]
    assert bench.opened == [0]


@pytest.mark.parametrize("most", [0, 1])
def test_what_went_away_while_it_was_opened_is_followed_where_there_is_room_else_freed(most: int):
    jobs = Jobs()
    bench = Bench(most=most, run=jobs)
    assert bench.standbys.take(2) is None
    bench.standbys.leave(2)
    bench.steps()
    assert list(bench.standbys.numbers) == []
    jobs.do()
    bench.steps()
    assert list(bench.standbys.numbers) == ([2] if most else [])
    assert bench.memories[2].closed == (not most)
    assert (bench.opened, jobs.waiting) == ([2], [])


def test_what_went_away_before_it_was_opened_is_not():
    jobs = Jobs()
    bench = Bench(most=0, run=jobs)
    assert bench.standbys.take(2) is None
    assert bench.standbys.take(3) is None
    bench.standbys.leave(3)
    jobs.do()
    bench.steps()
    assert (bench.opened, jobs.waiting) == ([2], [])


def test_a_state_that_cannot_be_opened_is_told_to_whoever_asks_for_it():
    def broken(number: int) -> FakeMemory:
        raise OSError(f"no room for {number}")

    jobs = Jobs()
    opener = Opener(broken, jobs)  # type: ignore[arg-type]
    assert opener.take(1) is None
    jobs.do()
    with pytest.raises(OSError, match="no room for 1"):
        opener.take(1)


def test_closing_frees_what_was_opened_and_what_will_be():
    jobs = Jobs()
    bench = Bench(run=jobs)
    for number in (1, 2, 3):
        assert bench.standbys.take(number) is None
    jobs.do()
    assert bench.standbys.take(2) is None
    bench.standbys.close()
    assert bench.memories[1].closed
    jobs.do()
    assert bench.memories[2].closed, "it was being opened"
    assert (bench.opened, jobs.waiting) == ([1, 2], [])


def test_opening_holds_up_nobody():
    """In a thread of its own, as a process does it."""
    go, threads = threading.Event(), []

    def open_slowly(number: int) -> FakeMemory:
        threads.append(threading.current_thread())
        started.set()
        assert go.wait(30)
        return FakeMemory(number)

    started = threading.Event()
    opener = Opener(open_slowly)  # type: ignore[arg-type]
    assert opener.take(1) is None
    assert started.wait(30)
    assert opener.take(1) is None
    go.set()
    threads[0].join(30)
    memory = opener.take(1)
    assert memory is not None
    assert len(memory) == 11


class Answers:
    """Holds the answer back until the test gives it."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.answer: Future[list[TopicPartition]] = Future()

    def asking(self, _consumer, places):
        self.asked.append([place.partition for place in places])
        self.answer = Future()
        return self.answer

    def say(self, **offsets: int) -> None:
        places = [TopicPartition("offer-features", int(name[1:]), offset) for name, offset in offsets.items()]
        self.answer.set_result(places)


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> Answers:
    answers = Answers()
    monkeypatch.setattr(consumers.matching.group_offsets, "_asking", answers.asking)
    monkeypatch.setattr(consumers.matching.group_offsets, "Consumer", lambda _: None)
    return answers


def test_where_a_group_stands_is_asked_now_and_then_and_waited_for_by_nobody(admin: Answers):
    clock = HandClock()
    offsets = GroupOffsets(Kafka(), "group", "offer-features", clock)
    offsets.ask([])
    assert admin.asked == []
    offsets.ask([0, 2])
    offsets.ask([0, 2])
    assert (admin.asked, offsets.of(0)) == ([[0, 2]], None)
    admin.say(p0=7, p2=-1001)
    offsets.ask([0, 2])
    assert (offsets.of(0), offsets.of(2)) == (7, 0)
    assert len(admin.asked) == 1
    clock.seconds += INTERVAL
    offsets.ask([0])
    assert admin.asked[1:] == [[0]]
    admin.answer.set_exception(KafkaException("nobody answers"))
    offsets.ask([0])
    assert offsets.of(0) == 7, "what was true once is not too much"
    clock.seconds += INTERVAL
    offsets.ask([0])
    assert len(admin.asked) == 3
