"""The size of batches follows what the last ones took."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.matching.pace import LONGEST, Pace
from matcher.settings import Kafka
from tests.consumers.fakes import HandClock


class Bench:
    def __init__(self, most: int = 256, **properties: str) -> None:
        self.clock = HandClock()
        self.pace = Pace(Kafka(properties=properties), most, self.clock)

    def decide(self, each: float, waiting: int = 10_000) -> float:
        """One batch of what waits, of which each record takes so many seconds; returns how long it took."""
        records = min(waiting, self.pace.records)
        with self.pace.batch(records):
            self.clock.seconds += each * records
        return each * records


def test_batches_have_their_full_size_while_they_are_quick():
    bench = Bench()
    for _ in range(5):
        bench.decide(0.001)
    assert bench.pace.records == 256


def test_batches_shrink_on_a_slow_disk_and_grow_when_it_has_recovered():
    bench = Bench()
    took = [bench.decide(1.0) for _ in range(10)]
    assert took[0] == 256
    assert took[-1] <= LONGEST
    for _ in range(10):
        bench.decide(0.001)
    assert bench.pace.records == 256


def test_a_batch_of_few_that_is_quick_says_nothing_about_a_full_one():
    bench = Bench()
    for _ in range(10):
        bench.decide(1.0)
    small = bench.pace.records
    for _ in range(10):
        bench.decide(1.0, waiting=1)
    assert bench.pace.records == small > 1


def test_a_batch_that_fails_counts_too():
    bench = Bench()
    try:
        with bench.pace.batch(256):
            bench.clock.seconds += 60
            raise OSError("the disk is full")
    except OSError:
        pass
    assert bench.pace.records == 128


def test_it_follows_the_time_after_which_kafka_throws_a_consumer_out():
    assert Bench().pace.seconds == LONGEST
    assert Bench(**{"max.poll.interval.ms": "6000"}).pace.seconds == pytest.approx(0.3)


@given(st.integers(1, 1_000), st.lists(st.floats(0, 100), max_size=30))
def test_there_is_always_room_for_one_and_never_for_more_than_the_settings_say(most: int, times: list[float]):
    bench = Bench(most)
    for each in times:
        bench.decide(each)
        assert 1 <= bench.pace.records <= most


@given(st.floats(0.02, 4.9))
def test_however_slow_a_record_is_batches_come_to_take_no_longer_than_they_may(each: float):
    bench = Bench()
    took = [bench.decide(each) for _ in range(60)]
    assert max(took[10:]) <= LONGEST
