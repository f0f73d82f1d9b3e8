"""Expiry in an owned partition: bounded looks, one transaction that moves no offset, and nothing before its commit."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from consumers.limit import Tally
from consumers.matching import partition as module
from consumers.matching.expiring import LOOK_EVERY
from consumers.matching.partition import OwnedPartition
from matcher.events.envelope import Record
from matcher.events.offer import Offer
from matcher.events.place import Version
from matcher.expiry import Expiry
from matcher.memory import Memory
from matcher.metrics import Metrics
from matcher.settings import Matcher, Settings
from producers.transaction import AbortedError
from tests.consumers.fakes import CommittedElsewhereError, FakeBroker, HandClock
from tests.matcher.making import a_bundle, features_of, features_record_of

HOUR_MS = 3_600_000
BUNDLE = a_bundle()
PLACE = ("offer-features", 0)


class Bench:
    """A partition that has caught up, with Kafka in the hands of the test; `BATCH` offers go at once."""

    BATCH = 4

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.broker, self.metrics = HandClock(), FakeBroker(), Metrics()
        monkeypatch.setattr(module, "Transactions", lambda *_: self.broker)
        expiry = Expiry.of(3 * 3_600)
        self.memory = Memory(folder, BUNDLE, 0, ("offer-features", "matches"), 1, expiry=expiry)
        self.owned = OwnedPartition(
            0,
            settings=Settings(matcher=Matcher(batch_size=self.BATCH)),
            bundle=BUNDLE,
            memory=self.memory,
            group=self.broker,
            metrics=self.metrics,
            clock=self.clock,
        )
        self.offset = 0

    def decide(self, *names: str, hour: float) -> None:
        records = [self.record(name, hour) for name in names]
        self.owned.decide(records)
        self.owned.advance(30)

    def expire(self) -> None:
        self.owned.expire()
        self.owned.advance(30)

    def record(self, name: str, hour: float) -> Record:
        features = features_of(Offer(offer_id=name, title=name), Version(0, self.offset), [1.0, 0.0, 0.0, 0.0])
        record = features_record_of(features, self.offset)
        self.offset += 1
        return msgspec.structs.replace(record, timestamp_ms=1_700_000_000_000 + round(hour * HOUR_MS))

    def until(self, hour: int) -> None:
        """The stream flows on."""
        for one in range(1, hour + 1):
            self.decide("other", hour=one)
        self.broker.transactions.clear()
        self.broker.published.clear()

    def gone(self) -> list[str]:
        return [(record.key or b"").decode() for record in self.broker.published if record.value is None]

    def expired(self) -> float | None:
        return self.metrics.registry.get_sample_value("offermatch_offers_expired_total")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(tmp_path, monkeypatch)
    yield bench
    bench.owned.close()


def test_nulls_go_out_with_the_offset_and_the_note_as_they_stand(bench: Bench) -> None:
    bench.decide("a", "b", hour=0)
    bench.until(3)
    note = bench.broker.notes[PLACE]
    bench.expire()
    assert bench.gone() == ["a", "b"]
    assert bench.broker.transactions == [(2, {PLACE: 5})]
    assert bench.broker.notes[PLACE] == note
    assert msgspec.json.decode(note, type=Tally) == Tally()
    assert len(bench.memory) == 1
    assert bench.expired() == 2
    assert bench.metrics.registry.get_sample_value("offermatch_index_offers", {"partition": "0"}) == 1


def test_so_many_go_at_once_as_fit_into_a_batch_and_then_it_looks_now_and_then(bench: Bench) -> None:
    bench.decide(*"abcdef", hour=0)
    bench.until(3)
    bench.expire()
    assert bench.gone() == ["a", "b", "c", "d"]
    bench.expire()
    assert bench.gone() == ["a", "b", "c", "d", "e", "f"]
    bench.decide("late", hour=3.5)
    bench.decide("other", hour=4.4)
    for hour in (5.3, 6.2, 6.6):
        bench.decide("other", hour=hour)
    bench.expire()
    assert "late" not in bench.gone(), "it looked a moment ago"
    bench.clock.seconds += LOOK_EVERY
    bench.expire()
    assert bench.gone()[-1] == "late"


def test_an_offer_that_came_in_the_batch_before_stays(bench: Bench) -> None:
    bench.decide("a", "b", hour=0)
    for hour in (0.9, 1.8, 2.7):
        bench.decide("other", hour=hour)
    bench.decide("other", "a", hour=3.2)
    bench.expire()
    assert bench.gone() == ["b"]


def test_an_offer_that_is_just_being_decided_stays_and_one_that_just_leaves_is_no_candidate(bench: Bench) -> None:
    bench.decide("a", "b", hour=0)
    bench.until(3)
    bench.owned.decide([bench.record("a", 3)])
    bench.owned.expire()
    bench.owned.expire()
    bench.owned.decide([bench.record("c", 3)])
    for _ in range(3):
        bench.owned.advance(30)
    assert bench.gone() == ["b"]
    assert bench.expired() == 1
    told = {(r.key or b"").decode(): msgspec.json.decode(r.value) for r in bench.broker.published if r.value}
    assert told["c"]["matched_offer_id"] in ("a", "other")
    assert [ends for _, ends in bench.broker.transactions][-1] == {PLACE: bench.offset}
    assert len(bench.memory) == 3


def test_what_was_rolled_back_has_changed_nothing_and_goes_the_next_time(bench: Bench) -> None:
    bench.decide("a", hour=0)
    bench.until(3)
    bench.broker.fail_next = AbortedError("rolled back")
    with pytest.raises(AbortedError):
        bench.expire()
    assert (bench.gone(), len(bench.memory), bench.expired()) == ([], 2, 0)
    bench.broker.renewed = 1
    bench.clock.seconds += LOOK_EVERY
    bench.expire()
    assert (bench.gone(), len(bench.memory), bench.expired()) == (["a"], 1, 1)


def test_without_an_answer_nothing_leaves_before_the_log_was_asked(bench: Bench) -> None:
    bench.decide("a", hour=0)
    bench.until(3)
    bench.broker.fail_next = CommittedElsewhereError("answer lost")
    with pytest.raises(CommittedElsewhereError):
        bench.expire()
    assert (bench.gone(), len(bench.memory)) == (["a"], 2)
