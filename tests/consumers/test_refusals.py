"""A record whose outcome Kafka refuses is found out and ends as a dead letter; its neighbours are published as ever."""

from collections.abc import Iterable

import pytest

from consumers.refusals import Refusals
from matcher.events.dead_letter import read_dead_letter
from matcher.events.place import Place
from producers.refusal import RefusedError, UnpublishableError
from tests.consumers.test_encode_worker import Bench


def refused(*numbers: int) -> RefusedError:
    return RefusedError("id: refused", set(numbers), "too large")


def places(*offsets: int) -> list[Place | None]:
    return [Place("offers", 0, offset) for offset in offsets]


def test_one_that_was_refused_alone_of_many_is_to_blame():
    refusals = Refusals("encoder")
    refusals.take(refused(1), places(5, 6, 7))
    failure = refusals.failure(Place("offers", 0, 6))
    assert failure is not None
    assert (failure.stage, failure.reason) == ("encoder", "refused")
    assert "too large" in failure.message
    assert refusals.failure(Place("offers", 0, 5)) is None


def test_of_several_each_is_tried_alone_before_it_is_blamed():
    refusals = Refusals("encoder")
    refusals.take(refused(0, 1), places(5, 6, 7))
    assert [refusals.suspects(Place("offers", 0, n)) for n in (5, 6, 7)] == [True, True, False]
    assert all(refusals.failure(Place("offers", 0, n)) is None for n in (5, 6, 7))
    refusals.take(refused(0), places(6))
    assert refusals.failure(Place("offers", 0, 6)) is not None


def test_two_records_of_one_place_are_one_to_blame():
    """As a decision and its work item."""
    refusals = Refusals("matcher")
    refusals.take(refused(0, 1), places(5, 5))
    assert refusals.failure(Place("offers", 0, 5)) is not None


def test_what_is_committed_is_forgotten():
    """Also where it was committed under another name: it would be looked for for ever."""
    refusals = Refusals("encoder")
    refusals.take(refused(0, 1), places(5, 6))
    refusals.take(refused(0), places(6))
    refusals.passed("offers", 1, 100)
    refusals.passed("offers", 0, 6)
    assert not refusals.suspects(Place("offers", 0, 5))
    assert refusals.failure(Place("offers", 0, 6)) is not None
    refusals.passed("offers", 0, 7)
    assert len(refusals) == 0


def test_where_not_even_the_dead_letter_is_taken_the_process_ends_with_what_to_do():
    refusals = Refusals("encoder")
    refusals.take(refused(0), places(5))
    with pytest.raises(UnpublishableError, match=r"dead letter of offers/0/5.*max\.message\.bytes"):
        refusals.take(refused(0), places(5))


def test_so_it_is_with_what_came_of_no_record():
    with pytest.raises(UnpublishableError, match="of no record"):
        Refusals("matcher").take(refused(0), [None])


class Choosy:
    """Refuses, as Kafka does, the whole batch of a record that it does not take."""

    def __init__(self, bench: Bench, batch: int, never: Iterable[int]) -> None:
        self.bench, self.batch, self.never = bench, batch, set(never)
        self.failed = 0
        self.publish = bench.broker.publish
        bench.broker.publish = self  # type: ignore[method-assign, assignment]

    def __call__(self, records, offsets, group, **more):
        bad = set()
        for first in range(0, len(records), self.batch):
            numbers = range(first, min(first + self.batch, len(records)))
            if any(self.is_bad(records[number]) for number in numbers):
                bad |= set(numbers)
        if bad:
            self.failed += 1
            self.bench.broker.fail_next = RefusedError("refused", bad, "too large")
        return self.publish(records, offsets, group, **more)

    def is_bad(self, record) -> bool:
        return record.topic == "offer-features" and int(record.key.split(b"-")[1]) in self.never


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_the_encoder_publishes_all_others_and_goes_back_to_large_transactions(batch: int):
    bench = Bench(limit=40, partitions=2)
    choosy = Choosy(bench, batch, never=[4])
    start = {0: 0, 1: 0}
    for _ in range(40):
        for partition, first in start.items():
            bench.read(*range(first, 9), partition=partition)
        bench.stage.finish()
        start = dict(bench.worker.poll())
    letters = [read_dead_letter(r.headers) for r in bench.broker.published if r.topic == "dead-letters"]
    assert sorted((one.place.partition, one.place.offset, one.reason) for one in letters if one) == [
        (0, 4, "refused"), (1, 4, "refused"),
    ]  # fmt: skip
    assert bench.published(0) == bench.published(1) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert bench.broker.offsets == {("offers", 0): 9, ("offers", 1): 9}
    assert choosy.failed == 3, "all together, then each of the two alone"
    bench.read(*range(9, 19))
    bench.stage.finish()
    bench.worker.poll()
    assert bench.broker.transactions[-1][0] == 10
