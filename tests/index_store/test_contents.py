"""What offers say, apart from the state: read by place, dropped when stale, and led over from files of before."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index_store import applying
from index_store.contents import Content, ContentsFile, contents_path
from index_store.errors import StateUnusable
from index_store.rows import Changes, DecisionRow, FeatureRow, Identity, StoredContent, Version
from index_store.schema import MIGRATIONS, PLACES, migrate
from index_store.state import State

DIM = 8
IDENTITY = Identity("first", DIM, 0, ("offer-features", "matches"), raw_features=True)
OFFERS = 3_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


def batch(numbers: range, version: int = 0) -> Changes:
    """Offer n in version `version` + n, which says so."""
    features, decisions = [], []
    for n in numbers:
        at, told = Version(0, version + n), f"{n} in {version}".encode()
        vector = np.full(DIM, n % 50, np.float32)
        features.append(FeatureRow(f"o{n}", at, "s", told, vector, told * 100, None))
        decisions.append(DecisionRow(f"o{n}", at, f"p{n}", "new_product", 0))
    return Changes(features, decisions)


def said(state: State, number: int) -> bytes:
    (key,) = (row.key for row in state.ledger([f"o{number}"]).values())
    return state.contents([key])[key].payload


@pytest.fixture
def contents(path: Path) -> Iterator[ContentsFile]:
    opened = ContentsFile(path, "mine", create=True)
    yield opened
    opened.close()


def test_many_rows_are_read_as_few_are(contents: ContentsFile) -> None:
    rows = {place: Content(None if place % 2 else "s", bytes([place % 251]), None, b"t") for place in range(1_000)}
    contents.write(rows.items(), ())
    assert contents.read([3, 999, 3]) == {3: rows[3], 999: rows[999]}
    assert contents.read(range(0, 1_000, 2)) == {place: rows[place] for place in range(0, 1_000, 2)}
    contents.write([(1_000, rows[7])], range(500))
    assert contents.read(range(500, 1_001)) == {place: rows.get(place, rows[7]) for place in range(500, 1_001)}
    assert contents.read([]) == {}


@pytest.mark.parametrize("wanted", [[5, 6], range(5, 500)])
def test_a_row_that_is_missing_makes_the_state_unusable(contents: ContentsFile, wanted: list[int] | range) -> None:
    contents.write([(5, Content(None, b"", None, None))], ())
    with pytest.raises(
        StateUnusable, match=rf"lacks the contents of {len(wanted) - 1} offers in state.contents: delete"
    ):
        contents.read(wanted)


def test_a_write_that_fails_changes_nothing(contents: ContentsFile) -> None:
    row = Content(None, b"before", None, None)
    contents.write([(1, row)], ())
    with pytest.raises(sqlite3.IntegrityError):
        contents.write([(2, row), (3, row._replace(payload=None))], [1])  # type: ignore[arg-type]
    assert contents.read([1]) == {1: row}
    contents.write([(2, row)], ())


def test_a_state_whose_contents_are_missing_or_of_another_state_is_unusable(path: Path) -> None:
    other = path.with_name("other.sqlite")
    for each in (path, other):
        with State(each, IDENTITY) as state:
            state.apply(batch(range(3)))
    contents_path(other).replace(contents_path(path))
    with pytest.raises(StateUnusable, match=r"state.contents is not that of .*: delete .*state.contents.*rebuilt"):
        State(path, IDENTITY)
    with pytest.raises(StateUnusable, match=r"lacks the file other.contents: delete"):
        State(other, IDENTITY)


def test_where_only_the_state_was_deleted_the_next_one_begins_with_nothing(path: Path) -> None:
    with State(path, IDENTITY) as state:
        state.apply(batch(range(9)))
    path.unlink()
    with State(path, IDENTITY) as state:
        state.apply(batch(range(3), version=50))
        assert said(state, 2) == b"2 in 50"
        assert (state.counts().live, state.audit()) == (3, ())


def test_replaced_versions_are_deleted_once_there_are_many_and_never_those_that_count(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "_STALE", 50)
    with State(path, IDENTITY) as state:
        state.apply(batch(range(200)))
        most = 0
        for turn in range(1, 40):
            state.apply(batch(range(turn % 3, 200, 3), version=1_000 * turn))
            (rows,) = state._file.connection.execute("SELECT count(*) FROM vectors").fetchone()
            most = max(most, rows)
        assert 250 < most < 400, "a batch of 67 replaces as many as that"
        assert state.audit() == ()
        assert [said(state, n) for n in range(3)] == [b"0 in 39000", b"1 in 37000", b"2 in 38000"]
        assert sum(len(keys) for keys, *_ in state.live_vectors(chunk=64)) == 200
        gone = [DecisionRow(f"o{n}", Version(0, 10**6), None, "gone", 0) for n in range(200)]
        for _ in range(3):
            state.apply(Changes(decisions=gone))
        assert (list(state.live_vectors()), state.counts().live, state.audit()) == ([], 0, ())


def test_a_stretch_that_is_read_while_others_are_applied_is_of_one_moment(path: Path) -> None:
    with State(path, IDENTITY) as state:
        state.apply(batch(range(10)))
        chunks = state.live_vectors(chunk=4)
        keys = next(chunks)[0].tolist()
        state.apply(batch(range(5, 20), version=1_000))
        keys += [key for rows in chunks for key in rows[0].tolist()]
        assert keys == list(range(1, 11))


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "what? #1 %41 é" / "state.sqlite"
    with State(path, IDENTITY) as state:
        state.apply(batch(range(200)))
        keys = np.concatenate([keys for keys, *_ in state.live_vectors()])
        assert len(state.contents(keys)) == 200
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.parent.name]


def of_before(path: Path) -> None:
    """A file of the schema before contents lay apart."""
    facts = {"bundle": "first", "dim": DIM, "partition": 0, "partitions": 1, "blocks": 0, "raw_features": True}
    old = sqlite3.connect(path, isolation_level=None)
    old.execute("PRAGMA page_size = 8192")
    migrate(old, MIGRATIONS[: PLACES - 1])
    old.execute("BEGIN")
    rows = [(name, json.dumps(value)) for name, value in {**facts, "topics": sorted(IDENTITY.topics)}.items()]
    old.executemany("INSERT INTO facts VALUES (?, ?)", rows)
    numbers = range(1, OFFERS + 1)
    old.executemany(
        "INSERT INTO offers VALUES (?, ?, 0, ?, ?, 'new_product', 0)", ((n, f"o{n}", n, f"p{n}") for n in numbers)
    )
    old.executemany("INSERT INTO products VALUES (?, 0, ?, 1)", ((f"p{n}", n) for n in numbers))
    old.execute("INSERT INTO sellers VALUES (0, 's')")
    live = numbers[:-1]  # the features of the last were not applied yet
    old.executemany("INSERT INTO contents VALUES (?, 's', ?)", ((n, f"{n} in 0".encode()) for n in live))
    old.executemany("INSERT INTO raw_features VALUES (?, ?, NULL)", ((n, bytes([n % 256]) * 2_000) for n in live))
    vector = np.ones(DIM, "<f2").tobytes()
    old.executemany("INSERT INTO vectors VALUES (?, 0, ?, ?, -1)", ((n, vector, 10 * n) for n in live))
    old.execute(
        f"UPDATE totals SET next_key = {OFFERS + 1}, offers = {OFFERS}, live = {OFFERS - 1}, products = {OFFERS}"
    )
    old.execute("COMMIT")
    old.close()


def test_a_file_of_before_is_led_over_and_becomes_small(path: Path) -> None:
    of_before(path)
    before = path.stat().st_size
    with State(path, IDENTITY) as state:
        assert state.audit() == ()
        assert (state.counts().live, state.counts().waiting) == (OFFERS - 1, 1)
        assert path.stat().st_size < before / 5
        assert state.contents([1, 2_999, 3_000]) == {
            n: StoredContent(f"{n} in 0".encode(), bytes([n % 256]) * 2_000, None) for n in (1, 2_999)
        }
        assert state.not_seen_after(20, 9) == [("o1", Version(0, 1)), ("o2", Version(0, 2))]
        keys = np.concatenate([keys for keys, *_ in state.live_vectors()])
        assert keys.tolist() == list(range(1, OFFERS))
        state.apply(batch(range(2, 5_000), version=10_000))
        assert (said(state, 1), said(state, 2), said(state, 4_999)) == (b"1 in 0", b"2 in 10000", b"4999 in 10000")
        assert state.audit() == ()


def test_leading_a_file_over_that_is_broken_off_can_be_begun_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_before(path)
    write = ContentsFile.write

    def fail(self: ContentsFile, added: Iterator[tuple[int, Content]], dropped: tuple[()]) -> None:
        rows = list(added)
        if rows[0][0] > 2_000:
            raise OSError("torn away")
        write(self, rows, dropped)

    with monkeypatch.context() as patched:
        patched.setattr(ContentsFile, "write", fail)
        with pytest.raises(OSError, match="torn away"):
            State(path, IDENTITY)
    old = sqlite3.connect(path)
    assert old.execute("SELECT count(*) FROM contents").fetchone() == (OFFERS - 1,)
    assert old.execute("PRAGMA user_version").fetchone() == (PLACES - 1,)
    old.close()
    with State(path, IDENTITY) as state:
        assert (state.counts().live, state.audit()) == (OFFERS - 1, ())
        assert said(state, 2_500) == b"2500 in 0"


def test_contents_that_come_again_in_the_same_version_replace_those_of_before(path: Path) -> None:
    with State(path, IDENTITY) as state:
        state.apply(batch(range(3)))
        again = batch(range(1, 2)).features[0]
        state.apply(Changes([replace(again, payload=b"anew")]))
        assert (said(state, 1), said(state, 2), state.audit()) == (b"anew", b"2 in 0", ())
