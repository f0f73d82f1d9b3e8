"""A state that was away for so long that deletions may be missing in the log is told from one that can follow it."""

from pathlib import Path

import pytest

import consumers.matching.age
from consumers.matching.age import Ages
from index_store.rows import Changes, Identity
from index_store.state import State
from matcher.settings import Kafka
from tests.consumers.fakes import HandClock

MATCHES = ("matches", 0)
DAY = 86_400.0


class Away:
    """A state at one place of `matches`, a log that has gone on to another, and a clock."""

    def __init__(self, folder: Path, patched: pytest.MonkeyPatch) -> None:
        self.clock = HandClock()
        self.ages = Ages(Kafka(), "matches", 7 * DAY, self.clock)
        self.state = State(folder / "state.sqlite", Identity("b", 4, 0, ("offer-features", "matches")))
        self.log = (0, 0)
        patched.setattr(consumers.matching.age, "span", lambda kafka, topic, partition: self.log)

    def at(self, position: int, low: int = 0, high: int = 100) -> str | None:
        self.state.apply(Changes(positions={MATCHES: position}, times={MATCHES: self.clock.now_ms()}))
        self.log = (low, high)
        return self.why()

    def why(self) -> str | None:
        return self.ages.why_outdated(self.state)


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    one = Away(tmp_path, monkeypatch)
    yield one
    one.state.close()


def test_a_state_may_be_away_for_half_of_the_time_that_nulls_are_kept(away: Away) -> None:
    assert away.at(50) is None
    away.clock.seconds += 3.5 * DAY
    assert away.why() is None
    away.clock.seconds += 60
    why = away.why()
    assert why is not None
    assert "away for 3.5 days" in why
    assert "half of that topic's delete.retention.ms" in why


@pytest.mark.parametrize("end", [50, 51])
def test_a_state_that_has_missed_nothing_is_never_too_old(away: Away, end: int) -> None:
    """Behind the last decision there may be the marker that ended its transaction."""
    away.at(50, high=end)
    away.clock.seconds += 300 * DAY
    assert away.why() is None
    away.log = (0, end + 2)
    assert away.why() is not None


def test_a_state_whose_next_record_is_gone_is_built_anew(away: Away) -> None:
    assert away.at(50, low=51) == "it ends at offset 50 of matches, which now begins at 51"


def test_an_empty_state_has_nothing_to_bring_up_to_date(away: Away) -> None:
    away.log = (0, 1_000)
    away.clock.seconds += 300 * DAY
    assert away.why() is None


def test_a_state_that_does_not_know_when_it_was_current_is_built_anew(away: Away) -> None:
    away.clock.seconds = 1_700_000_000
    away.state.apply(Changes(positions={MATCHES: 50}))
    away.log = (0, 100)
    assert away.why() is not None
