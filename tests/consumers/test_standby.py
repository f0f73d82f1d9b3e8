"""A standby is as far as what was committed, never further, and decides as the one it stands by for would have."""

import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import KafkaError
from hypothesis import given, settings
from hypothesis import strategies as st

import consumers.matching.follower
import consumers.matching.hanging
import consumers.matching.standby
from consumers.matching.follower import Follower
from consumers.matching.standby import Standby
from consumers.matching.stretch import LogShorterThanStateError
from matcher.deciding.batch import decide_batch
from matcher.events.envelope import Record
from matcher.memory import Memory
from matcher.settings import Kafka
from tests.consumers.deciding import METRICS, TOPICS, Decided, a_stream, content_of, memory_in
from tests.consumers.fake_log import FakeLog, FakeMessage
from tests.consumers.fakes import HandClock
from tests.examples import examples
from tests.matcher.making import a_bundle
from tests.matcher.test_batch import decisions

BUNDLE = a_bundle()
FEATURES, MATCHES = TOPICS.features, TOPICS.matches


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return monkeypatch


def standby_on(log: FakeLog, memory: Memory, patched: pytest.MonkeyPatch) -> Standby:
    patched.setattr(consumers.matching.standby, "Consumer", log.consumer)
    return Standby(Kafka(), "group", TOPICS, 0, memory=memory, bundle=BUNDLE)


def follower_on(log: FakeLog, memory: Memory, until: int, patched: pytest.MonkeyPatch, clock: HandClock) -> Follower:
    for module in (consumers.matching.follower, consumers.matching.hanging):
        patched.setattr(module, "Consumer", log.consumer)
    return Follower(Kafka(), "group", TOPICS, 0, until=until, memory=memory, bundle=BUNDLE, clock=clock)


def follow(log: FakeLog, memory: Memory, until: int, patched: pytest.MonkeyPatch) -> None:
    """As the one does who takes over."""
    follower = follower_on(log, memory, until, patched, HandClock())
    for _ in range(100):
        if follower.step(1.0):
            follower.close()
            return
    raise AssertionError("following does not end")


def position(memory: Memory, topic: str) -> int:
    return memory.positions().get((topic, 0), 0)


@settings(max_examples=examples(20), deadline=None)
@given(seed=st.integers(0, 10_000), data=st.data())
def test_however_it_reads_it_is_never_further_than_what_was_committed_and_takes_over_with_the_same_memory(
    seed: int, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patched:
        folder = Path(name)
        decided = Decided(a_stream(seed, 40), BUNDLE, folder / "one")
        log = FakeLog(offer_features=decided.features, matches=decided.matches)
        patched.setattr(consumers.matching.standby, "HELD", data.draw(st.integers(1, 6), label="held"))
        memory = memory_in(folder / "two", BUNDLE)
        standby = standby_on(log, memory, patched)
        heard: int | None = None
        batch = log.ends[FEATURES] = 0
        for _ in range(data.draw(st.integers(0, 25), label="steps")):
            batch = min(len(decided.committed) - 1, batch + data.draw(st.integers(0, 2)))
            committed, log.ends[MATCHES] = decided.committed[batch]
            log.ends[FEATURES] = max(log.ends[FEATURES], committed + data.draw(st.integers(0, 12)))
            heard = data.draw(st.sampled_from([heard, committed]))
            standby.step(heard, data.draw(st.integers(1, 5)))
            assert position(memory, FEATURES) <= (heard or 0)
            assert position(memory, MATCHES) <= log.ends[MATCHES]
        # The predecessor went on a little before it died.
        committed, log.ends[MATCHES] = decided.committed[-1]
        log.ends[FEATURES] = decided.features[-1].offset + 2
        assert standby.release() is memory
        assert log.consumers[0].closed
        follow(log, memory, committed, patched)
        assert content_of(memory) == decided.content
        with closing(memory_in(folder / "one", BUNDLE)) as calm:
            more = a_stream(seed + 1, 8, first=100)
            mine, theirs = (decide_batch(more, one, BUNDLE, METRICS) for one in (memory, calm))
            assert decisions(mine) == decisions(theirs)
        memory.close()


@pytest.fixture
def decided(tmp_path: Path) -> Decided:
    return Decided(a_stream(7, 30), BUNDLE, tmp_path / "one")


def test_it_is_warm_once_it_has_been_where_the_log_was(
    tmp_path: Path, decided: Decided, patched: pytest.MonkeyPatch
) -> None:
    log = FakeLog(offer_features=decided.features, matches=decided.matches)
    end = decided.committed[-1][0]
    memory = memory_in(tmp_path / "two", BUNDLE)
    standby = standby_on(log, memory, patched)
    while standby.step(None, 10):
        assert not standby.warm
    assert not standby.warm, "it has not heard how far the group is"
    assert standby.lag() == {MATCHES: 0, FEATURES: 0}
    while standby.step(end, 3):
        assert not standby.warm
    assert standby.warm
    assert content_of(memory) == decided.content
    log.ends[MATCHES] += 5
    assert standby.lag()[MATCHES] == 5
    standby.close()


def test_its_lag_is_what_was_decided_and_is_not_applied(
    tmp_path: Path, decided: Decided, patched: pytest.MonkeyPatch
) -> None:
    log = FakeLog(offer_features=decided.features, matches=decided.matches)
    with closing(standby_on(log, memory_in(tmp_path / "two", BUNDLE), patched)) as standby:
        end = decided.committed[-1][0]
        standby.step(end, 1)
        lag = standby.lag()
        assert lag[FEATURES] == end - position(standby.memory, FEATURES) > 0
        assert lag[MATCHES] == log.ends[MATCHES] - position(standby.memory, MATCHES) > 0


def test_features_that_nobody_has_decided_wait_in_bounded_numbers(
    tmp_path: Path, decided: Decided, patched: pytest.MonkeyPatch
) -> None:
    patched.setattr(consumers.matching.standby, "HELD", 5)
    log = FakeLog(offer_features=decided.features, matches=[])
    with closing(standby_on(log, memory_in(tmp_path / "two", BUNDLE), patched)) as standby:
        (consumer,) = log.consumers
        for _ in range(20):
            standby.step(0, 2)
        assert consumer.paused == {FEATURES}
        assert consumer.positions[FEATURES] < decided.features[8].offset
        standby.step(decided.features[3].offset, 2)
        standby.step(decided.features[3].offset, 2)
        assert consumer.paused == set(), "there is room again"
        assert position(standby.memory, FEATURES) == decided.features[3].offset


def test_a_committed_offset_between_records_is_reached_without_reading_beyond(
    tmp_path: Path, decided: Decided, patched: pytest.MonkeyPatch
) -> None:
    """Compaction takes records away: the offset after the last decided one may be that of none that is left."""
    kept = decided.features[:3]
    log = FakeLog(offer_features=kept, matches=[])
    log.ends[FEATURES] = kept[-1].offset + 50
    with closing(standby_on(log, memory_in(tmp_path / "two", BUNDLE), patched)) as standby:
        standby.step(kept[-1].offset + 20, 10)
        standby.step(kept[-1].offset + 20, 10)
        assert position(standby.memory, FEATURES) == kept[-1].offset + 20
        assert standby.lag()[FEATURES] == 0


@pytest.mark.parametrize("topic", [FEATURES, MATCHES])
def test_a_state_that_knows_more_than_the_log_is_refused(
    tmp_path: Path, decided: Decided, patched: pytest.MonkeyPatch, topic: str
) -> None:
    log = FakeLog(offer_features=decided.features, matches=decided.matches)
    memory = memory_in(tmp_path / "two", BUNDLE)
    memory.follow([], [], {(topic, 0): 10_000})
    with (
        closing(standby_on(log, memory, patched)) as standby,
        pytest.raises(LogShorterThanStateError, match="up to 10000"),
    ):
        standby.step(0, 10)


def test_what_passes_by_itself_does_not_stop_it(tmp_path: Path, decided: Decided, patched: pytest.MonkeyPatch) -> None:
    log = FakeLog(offer_features=decided.features, matches=decided.matches)
    with closing(standby_on(log, memory_in(tmp_path / "two", BUNDLE), patched)) as standby:
        consume = log.consumers[0].consume
        away = [FakeMessage(None, MATCHES, 0, KafkaError._TRANSPORT)]
        patched.setattr(log.consumers[0], "consume", lambda *_: away)
        standby.step(0, 10)
        patched.setattr(log.consumers[0], "consume", consume)
        while standby.step(decided.committed[-1][0], 10):
            pass
        assert content_of(standby.memory) == decided.content


def compacted(records: list[Record], before: int) -> list[Record]:
    """What compaction leaves of a log whose first `before` offsets it has gone over: of each key the last, no nulls."""
    last = {record.key: record.offset for record in records}
    return [r for r in records if r.offset >= before or (last[r.key] == r.offset and r.value is not None)]


@settings(max_examples=examples(20), deadline=None)
@given(seed=st.integers(0, 10_000), features=st.floats(0, 1), matches=st.floats(0, 1))
def test_a_state_built_anew_from_compacted_logs_holds_what_matches_has_a_row_for(
    seed: int, features: float, matches: float
) -> None:
    """Compaction has gone over as much of each log as it liked; the nulls it found there are gone."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patched:
        folder = Path(name)
        decided = Decided(a_stream(seed, 40), BUNDLE, folder / "one")
        end, _ = decided.committed[-1]
        log = FakeLog(
            offer_features=compacted(decided.features, int(features * end)),
            matches=compacted(decided.matches, int(matches * (decided.matches[-1].offset + 1))),
        )
        log.ends = {FEATURES: decided.features[-1].offset + 2, MATCHES: decided.matches[-1].offset + 2}
        with closing(memory_in(folder / "two", BUNDLE)) as memory:
            follow(log, memory, end, patched)
            ledger, live, *sizes, pending = content_of(memory)
        all_, all_live, *all_sizes, _ = decided.content
        assert isinstance(ledger, dict)
        assert isinstance(all_, dict)
        assert live == all_live
        assert sizes == all_sizes
        assert ledger.items() <= all_.items()
        assert {name for name, row in all_.items() if row[1] is not None} <= ledger.keys()
        assert pending == 0, "features of offers that are gone wait for nothing"
