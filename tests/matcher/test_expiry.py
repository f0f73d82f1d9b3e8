"""Expiry: who is not seen for long enough while the stream flows has to go; a stream that stands still harms nobody."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index_store.rows import Counts
from index_store.stream_time import StreamTime
from matcher.clock import SystemClock
from matcher.deciding.batch import decide_batch
from matcher.deciding.steps import Decided, Expired, Gone, Skipped, Step
from matcher.events.decision import read_decision
from matcher.events.envelope import Headers, Record, Seen
from matcher.events.offer import Offer
from matcher.events.place import Place, Version
from matcher.expiry import Expiry
from matcher.memory import Memory, Published
from matcher.metrics import Metrics
from matcher.settings import Topics
from producers.decisions import decision_records
from tests.matcher.making import a_bundle, features_of, features_record_of, withdrawal_record_of

DAY = 86_400
EXPIRY = Expiry.of(3 * DAY)
BUNDLE = a_bundle()
START = 1_700_000_000_000
LOOKS = {"lamp": [1.0, 0.0, 0.0, 0.0], "shoe": [0.0, 1.0, 0.0, 0.0], "vase": [0.0, 0.0, 1.0, 0.0]}

Open = Callable[[str], Memory]


@pytest.fixture
def open_memory(tmp_path: Path) -> Iterator[Open]:
    opened: list[Memory] = []

    def make(name: str) -> Memory:
        opened.append(Memory(tmp_path / name, BUNDLE, 0, ("offer-features", "matches"), 1, expiry=EXPIRY))
        return opened[-1]

    yield make
    for memory in opened:
        memory.close()


class Log:
    """Writes `offer-features`; versions and offsets count up, time is told in days."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def offer(self, name: str, day: float, look: str = "lamp", version: int | None = None) -> Record:
        offset = len(self.records)
        features = features_of(
            Offer(offer_id=name, title=name), Version(0, offset if version is None else version), LOOKS[look]
        )
        record = features_record_of(features, offset)
        self.records.append(msgspec.structs.replace(record, timestamp_ms=START + round(day * DAY * 1000)))
        return self.records[-1]


def take(memory: Memory, *records: Record) -> list[Step]:
    steps = decide_batch(records, memory, BUNDLE, Metrics())
    memory.apply_steps(steps, {("offer-features", 0): records[-1].offset + 1})
    return steps


def names(expired: list[Expired]) -> list[str]:
    return [one.offer_id for one in expired]


def counts(memory: Memory) -> Counts:
    state, _ = memory.stores()
    return state.counts()


def test_an_offer_expires_when_it_was_not_seen_for_the_set_time(open_memory: Open) -> None:
    memory, log = open_memory("a"), Log()
    take(memory, log.offer("old", 0), log.offer("kept", 0.5))
    take(memory, log.offer("x", 1, "shoe"), log.offer("x", 2, "shoe"), log.offer("x", 2.9, "shoe"))
    assert memory.expired(10) == []
    last = log.offer("x", 3, "shoe")
    take(memory, last)
    assert memory.expired(10) == [
        Expired(offer_id="old", version=Version(0, 0), cause=Place("offer-features", 0, 5), time_ms=last.timestamp_ms)
    ]
    take(memory, log.offer("x", 3.5, "shoe"))
    assert names(memory.expired(10)) == ["old", "kept"]
    assert names(memory.expired(1)) == ["old"], "those first that were seen longest ago"


def test_whoever_is_sent_again_has_been_seen_also_with_the_same_version(open_memory: Open) -> None:
    memory, log = open_memory("a"), Log()
    take(memory, log.offer("changed", 0), log.offer("again", 0), log.offer("stale", 0))
    steps = take(memory, log.offer("changed", 1), log.offer("again", 1, version=1))
    assert [type(step) for step in steps] == [Decided, Skipped]
    take(memory, log.offer("x", 2, "shoe"), log.offer("x", 3, "shoe"))
    assert names(memory.expired(10)) == ["stale"]


def test_a_version_that_came_too_late_is_no_sign_of_life(open_memory: Open) -> None:
    memory, log = open_memory("a"), Log()
    take(memory, log.offer("a", 0, version=5), log.offer("a", 1, version=4))
    take(memory, log.offer("x", 2, "shoe"), log.offer("x", 3, "shoe"))
    assert names(memory.expired(10)) == ["a"]


def test_an_outage_however_long_does_not_expire_what_is_sent_daily(open_memory: Open) -> None:
    memory, log = open_memory("a"), Log()
    offers = [f"o{n}" for n in range(5)]
    for day in (0, 1, 2, 40, 41, 42):
        take(memory, *(log.offer(name, day + n / 10) for n, name in enumerate(offers)))
        assert memory.expired(10) == []


@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from("abc"))))
def test_an_offer_expires_exactly_when_the_hours_that_count_reach_the_limit(steps: list[tuple[int, str]]) -> None:
    """`steps`: hours until the next record, and which offer it shows; of a pause one day counts."""
    time, hour = StreamTime(), 0
    gaps: list[int] = []
    seen: dict[str, tuple[int, int]] = {}
    for gap, name in steps:
        hour += gap
        time = EXPIRY.at(time, START + hour * 3_600_000)
        gaps.append(gap if gaps else 0)
        seen[name] = time.passed, len(gaps)
    due = EXPIRY.due(time)
    for passed, last in seen.values():
        counting = sum(min(gap, 24) for gap in gaps[last:])
        assert (due is not None and passed <= due) == (counting >= 72)


def test_without_the_setting_nothing_expires(tmp_path: Path) -> None:
    log = Log()
    with closing(Memory(tmp_path, BUNDLE, 0, ("offer-features", "matches"), 1)) as memory:
        take(memory, log.offer("a", 0), *(log.offer("x", day, "shoe") for day in range(1, 1000)))
        assert memory.expired(10) == []


def test_what_has_expired_leaves_index_and_product_and_comes_back_with_a_new_version_only(open_memory: Open) -> None:
    memory, log = open_memory("a"), Log()
    first, twin = take(memory, log.offer("a", 0), log.offer("b", 1))
    assert isinstance(first, Decided)
    assert isinstance(twin, Decided)
    assert twin.decision.product_id == first.decision.product_id
    take(memory, *(log.offer("x", day, "shoe") for day in (2, 3)))
    memory.apply_steps(memory.expired(10), {("matches", 0): 9})
    assert memory.expired(10) == []
    assert (len(memory), counts(memory).live, counts(memory).gone) == (2, 2, 1)
    assert counts(memory).products == 2, "the product lives on with the other offer"
    assert memory.products(["a", "b"]) == {"b": first.decision.product_id}
    (same,) = take(memory, log.offer("a", 3.1, version=0))
    assert isinstance(same, Skipped)
    assert same.why == "superseded"
    assert len(memory) == 2
    (again,) = take(memory, log.offer("a", 3.2))
    assert isinstance(again, Decided)
    assert again.decision.product_id == first.decision.product_id, "as any offer that looks like the twin"
    assert len(memory) == 3


def test_a_withdrawn_offer_does_not_expire_as_well(open_memory: Open) -> None:
    memory, log = open_memory("a"), Log()
    take(memory, log.offer("a", 0))
    gone = withdrawal_record_of("a", Version(0, 1), 1)
    log.records.append(gone)
    (step,) = take(memory, gone)
    assert isinstance(step, Gone)
    take(memory, *(log.offer("x", day, "shoe") for day in range(1, 5)))
    assert memory.expired(10) == []


def test_who_follows_ends_with_the_same_state_and_the_same_offers_due(open_memory: Open) -> None:
    decider, follower, log = open_memory("decider"), open_memory("follower"), Log()
    published: list[Published] = []
    arrivals = []
    for day in range(9):
        # A late version in between: the decider skips it, and time passes for both.
        late = [log.offer("y", day + 0.3, "vase", version=1)] if day > 3 else []
        records = [log.offer("abcdefghi"[day], day), log.offer("y", day + 0.2, "vase"), *late]
        steps = take(decider, *records)
        expired = decider.expired(10)
        decider.apply_steps(expired, {})
        for outgoing in decision_records([*steps, *expired], partition=0, topics=Topics(), clock=SystemClock()):
            if outgoing.topic == "matches":
                published.append(read_back(outgoing.headers, outgoing.key, outgoing.value))
        arrivals += [step.arrival for step in steps if isinstance(step, Decided | Skipped)]
    assert sum(one.decision is None for one in published) == 6
    follower.follow(arrivals[:5], published[:2], {("offer-features", 0): 5})
    follower.follow((), published[2:9], {("matches", 0): 9})
    follower.follow(arrivals[5:], published[9:], {("offer-features", 0): len(log.records)})
    assert len(follower) == len(decider) == 4
    states = [memory.stores()[0] for memory in (decider, follower)]
    assert states[0].counts() == states[1].counts()
    assert states[0].stream_time() == states[1].stream_time()
    assert states[0].not_seen_after(10**12, 99) == states[1].not_seen_after(10**12, 99)
    ids = [*"abcdefghiy"]
    ledgers = [
        {name: (row.version, row.product_id, row.outcome) for name, row in s.ledger(ids).items()} for s in states
    ]
    assert ledgers[0] == ledgers[1]


def read_back(headers: Headers, key: bytes | None, value: bytes | None) -> Published:
    seen = Seen.of(headers)
    assert seen.version is not None
    decision = None if value is None else read_decision(value)
    return Published(offer_id=(key or b"").decode(), version=seen.version, decision=decision, time_ms=seen.time_ms or 0)


def test_the_null_names_the_version_and_the_record_that_made_it_due() -> None:
    step = Expired(offer_id="ä", version=Version(3, 7), cause=Place("offer-features", 0, 99), time_ms=START)
    (record,) = decision_records([step], partition=0, topics=Topics(), clock=SystemClock())
    assert (record.topic, record.partition, record.key, record.value) == ("matches", 0, "ä".encode(), None)
    assert dict(record.headers) == {
        "ce_specversion": b"1.0", "ce_id": b"expired-3-7", "ce_source": b"/offermatch/matcher",
        "ce_type": b"offer.expired", "ce_time": b"2023-11-14T22:13:20.000Z", "ce_subject": "ä".encode(),
        "ce_offerversion": b"3-7", "ce_cause": b"offer-features/0/99", "content-type": b"application/json",
    }  # fmt: skip
