"""When offers were last seen: stream time passes with the records, and the state finds those that it left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index_store.rows import Changes, DecisionRow, FeatureRow, Identity, Version
from index_store.schema import MIGRATIONS, migrate
from index_store.state import State
from index_store.stream_time import StreamTime
from tests.index_store.test_state_file import open_state_file_of_schema_1

IDENTITY = Identity(bundle="first", dim=8, partition=0, topics=("offer-features", "matches"))


def feature(name: str, version: int, seen_at: int) -> FeatureRow:
    return FeatureRow(name, Version(0, version), "s", b"{}", np.ones(8, np.float32), seen_at=seen_at)


def count_hundreds(state: State) -> list[int]:
    """One entry for every hundred instructions that SQLite carries out from now on."""
    looks: list[int] = []

    def look() -> int:
        looks.append(1)
        return 0

    state._file.connection.set_progress_handler(look, 100)
    return looks


def decision(name: str, version: int, product: str | None = "p") -> DecisionRow:
    return DecisionRow(name, Version(0, version), product, "matched" if product else "gone", 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
def state(path: Path) -> Iterator[State]:
    with State(path, IDENTITY) as opened:
        yield opened


def names(state: State, seen_at: int, most: int = 100) -> list[str]:
    return [name for name, _ in state.not_seen_after(seen_at, most)]


@given(st.lists(st.integers(0, 10**13)), st.integers(0, 10**12))
def test_stream_time_never_runs_back_nor_faster_than_the_records_nor_in_longer_steps_than_allowed(
    stamps: list[int], longest_pause: int
) -> None:
    time = StreamTime()
    for number, stamp in enumerate(stamps):
        before, time = time, time.after(stamp, longest_pause)
        assert 0 <= time.passed - before.passed <= longest_pause
        assert time.newest == max(stamps[: number + 1])
    first = next((stamp for stamp in stamps if stamp), 0)
    assert time.passed <= max(0, time.newest - first)
    if all(gap <= longest_pause for gap in np.diff(np.maximum.accumulate([stamp for stamp in stamps if stamp] or [0]))):
        assert time.passed == time.newest - first


def test_offers_are_found_by_when_their_live_version_was_last_seen(state: State) -> None:
    state.apply(
        Changes(
            [feature("old", 1, 10), feature("new", 2, 90), feature("again", 3, 20), feature("changed", 4, 30)],
            [decision("old", 1), decision("new", 2), decision("again", 3), decision("changed", 4)],
        )
    )
    assert names(state, 90) == ["old", "again", "changed", "new"]
    assert names(state, 30) == ["old", "again", "changed"]
    assert names(state, 9) == []
    assert state.not_seen_after(90, 1) == [("old", Version(0, 1))]
    state.apply(Changes([feature("again", 3, 95), feature("changed", 9, 96)], [decision("changed", 9)]))
    assert names(state, 90) == ["old", "new"]
    state.apply(Changes(decisions=[decision("old", 1, None)]))
    assert names(state, 90) == ["new"]
    assert state.audit() == ()


def test_features_that_wait_for_their_decision_keep_the_time_they_came_at(path: Path) -> None:
    with State(path, IDENTITY) as state:
        state.apply(Changes([feature("a", 1, 70)], stream_time=StreamTime(newest=1_000, passed=70)))
        assert names(state, 100) == []
    with State(path, IDENTITY) as state:
        assert state.stream_time() == StreamTime(1_000, 70)
        state.apply(Changes(decisions=[decision("a", 1)]))
        assert (names(state, 70), names(state, 69)) == (["a"], [])
        assert state.stream_time() == StreamTime(1_000, 70)


def test_what_an_older_file_holds_counts_as_seen_when_stream_time_begins(path: Path) -> None:
    old = open_state_file_of_schema_1(path)
    migrate(old, MIGRATIONS[:2])
    old.close()
    with State(path, IDENTITY) as state:
        assert state.stream_time() == StreamTime(0, 0)
        assert (names(state, 0), names(state, -1)) == (["o1"], [])
        assert state.audit() == ()


def test_a_look_reads_no_more_rows_than_it_returns(state: State) -> None:
    numbers = range(5_000)
    state.apply(Changes([feature(f"o{n}", n, n) for n in numbers], [decision(f"o{n}", n) for n in numbers]))
    looks = count_hundreds(state)
    assert len(names(state, 4_000, most=20)) == 20
    assert len(looks) < 20, "hundreds of instructions of SQLite"


def test_versions_that_were_replaced_are_passed_over_only_once(state: State) -> None:
    numbers = range(3_000)
    state.apply(Changes([feature(f"o{n}", n, n) for n in numbers], [decision(f"o{n}", n) for n in numbers]))
    later = [feature(f"o{n}", 5_000 + n, 9_000 + n) for n in numbers]
    state.apply(Changes(later, [decision(f"o{n}", 5_000 + n) for n in numbers]))
    assert names(state, 8_000) == []
    looks = count_hundreds(state)
    assert names(state, 9_001) == ["o0", "o1"]
    assert len(looks) < 20, "hundreds of instructions of SQLite"
    state.apply(Changes([feature("late", 10_000, 7_000)], [decision("late", 10_000)]))
    assert names(state, 9_000) == ["late", "o0"], "one that was seen before them is found all the same"
