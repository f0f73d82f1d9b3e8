"""The state's file: what is refused and how, and that nothing committed is ever lost."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index_store.errors import (
    PositionMovedBack,
    StateDiskFault,
    StateForeign,
    StateLocked,
    StateMismatch,
    StateTooNew,
    StateUnusable,
)
from index_store.opening import open_state_file
from index_store.rows import Changes, DecisionRow, FeatureRow, Identity, Version
from index_store.schema import APPLICATION_ID, MIGRATIONS, migrate
from index_store.state import State

DIM = 8
IDENTITY = Identity(bundle="first", dim=DIM, partition=0, topics=("offer-features", "matches"))
ROOT = Path(__file__).parents[2]

# What the child processes below share: batch i holds the offers and versions 20 i … 20 i + 19.
CHILD = """
import os, resource, signal, sqlite3, sys
from pathlib import Path
import numpy as np
from index_store.errors import StateDiskFault
from index_store.rows import *
from index_store.state import State
path = Path(sys.argv[1])
identity = Identity(bundle="first", dim=8, partition=0, topics=("offer-features", "matches"))
def batch(i, size=20, payload=b"x" * 300):
    numbers = range(size * i, size * (i + 1))
    return Changes(
        [FeatureRow(f"o{n}", Version(0, n), f"s{n % 7}", payload, np.full(8, n % 50, np.float32)) for n in numbers],
        [DecisionRow(f"o{n}", Version(0, n), f"p{n // 2}", "offer.matched", n) for n in numbers],
        {("offer-features", 0): size * (i + 1), ("matches", 0): size * (i + 1)},
    )
"""


def start(path: Path, script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD + textwrap.dedent(script), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def feature(number: int, **changed: Any) -> FeatureRow:
    row = FeatureRow(f"o{number}", Version(0, number), "s", b"payload", np.full(DIM, number % 50, np.float32))
    return replace(row, **changed)


def decision(number: int) -> DecisionRow:
    return DecisionRow(f"o{number}", Version(0, number), f"p{number}", "offer.new_product", 0)


def batch(numbers: range) -> Changes:
    end = {("offer-features", 0): numbers.stop, ("matches", 0): numbers.stop}
    return Changes([feature(n) for n in numbers], [decision(n) for n in numbers], end)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "state.sqlite"


def test_what_was_applied_is_there_after_reopening(path: Path) -> None:
    with State(path, IDENTITY) as state:
        state.apply(batch(range(600)))
        before = (state.ledger([f"o{n}" for n in range(700)]), state.counts(), state.positions())
    with State(path, IDENTITY) as state:
        assert (state.ledger([f"o{n}" for n in range(700)]), state.counts(), state.positions()) == before
        ledger = before[0]
        assert len(ledger) == 600
        stored = state.by_keys([*(row.key for row in ledger.values()), 10**9])
        assert {offer.offer_id: key for key, offer in stored.items()} == {o: row.key for o, row in ledger.items()}
        sizes = [len(keys) for keys, *_ in state.live_vectors(chunk=250)]
        assert sizes == [250, 250, 100]
        assert state.audit() == ()


def test_the_time_of_an_end_is_kept_and_never_goes_back(path: Path) -> None:
    features, matches = ("offer-features", 0), ("matches", 0)
    with State(path, IDENTITY) as state:
        assert state.times() == {}
        state.apply(Changes(positions={features: 3, matches: 3}, times={matches: 500}))
        state.apply(Changes(positions={features: 4}))
        state.apply(Changes(positions={matches: 5}, times={matches: 400}))
    with State(path, IDENTITY) as state:
        assert state.times() == {features: 0, matches: 500}
        assert state.positions() == {features: 4, matches: 5}


def test_a_state_of_before_knows_no_time(path: Path) -> None:
    path.parent.mkdir()
    old = open_state_file_of_schema_1(path)
    old.execute("INSERT INTO positions VALUES ('matches', 0, 9)")
    old.close()
    with State(path, IDENTITY) as state:
        assert (state.positions(), state.times()) == ({("matches", 0): 9}, {("matches", 0): 0})


def test_features_that_wait_for_a_decision_can_be_dropped(path: Path) -> None:
    with State(path, IDENTITY) as state:
        state.apply(batch(range(5)))
        state.apply(Changes([feature(7), feature(8)]))
        assert state.counts().pending == 2
        assert state.drop_pending() == 2
        assert (state.counts().pending, state.counts().live) == (0, 5)
        assert state.audit() == ()
        assert state.drop_pending() == 0
        assert len(state.apply(Changes((), [decision(7)])).keys) == 0, "its features are gone"


def test_a_discarded_state_leaves_nothing_and_the_next_one_is_empty(path: Path) -> None:
    state = State(path, IDENTITY)
    state.apply(batch(range(5)))
    state.discard()
    assert [file.name for file in path.parent.iterdir()] == [path.name + ".lock"]
    with State(path, IDENTITY) as state:
        assert (state.counts().offers, state.positions()) == (0, {})


def test_a_second_opener_is_told_which_process_holds_the_state(path: Path) -> None:
    with State(path, IDENTITY), pytest.raises(StateLocked) as here:
        State(path, IDENTITY)
    assert here.value.pid == os.getpid()
    child = start(path, "state = State(path, identity); print('open', flush=True); input()")
    assert child.stdout is not None
    assert child.stdout.readline() == "open\n"
    try:
        with pytest.raises(StateLocked, match=f"in use by process {child.pid}") as there:
            State(path, IDENTITY)
        assert there.value.pid == child.pid
    finally:
        child.kill()
        child.communicate()
    State(path, IDENTITY).close()


def test_a_failed_opening_leaves_no_lock_behind(path: Path) -> None:
    State(path, IDENTITY).close()
    for _ in range(2):
        with pytest.raises(StateMismatch):
            State(path, replace(IDENTITY, bundle="second"))
    State(path, IDENTITY).close()


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (replace(IDENTITY, bundle="second"), "bundle 'first', not 'second'"),
        (replace(IDENTITY, dim=9), "dim 8, not 9"),
        (replace(IDENTITY, partition=1), "partition 0, not 1"),
        (replace(IDENTITY, partitions=4), "partitions 1, not 4"),
        (replace(IDENTITY, raw_features=True), "raw_features False, not True"),
        (replace(IDENTITY, topics=("offer-features-2", "matches")), "topics .*'offer-features'.*, not .*-2'"),
    ],
)
def test_a_state_built_for_something_else_is_refused(path: Path, other: Identity, text: str) -> None:
    with State(path, IDENTITY) as state:
        state.apply(batch(range(3)))
    with pytest.raises(StateMismatch, match=f"built for {text}.*delete"):
        State(path, other)
    with State(path, replace(IDENTITY, topics=IDENTITY.topics[::-1])) as state:
        assert state.counts().live == 3


def test_a_database_of_another_program_is_refused_and_untouched(path: Path) -> None:
    path.parent.mkdir()
    for setup in ("CREATE TABLE letters (a)", "PRAGMA application_id = 7", "PRAGMA user_version = 1"):
        with sqlite3.connect(path) as other:
            other.execute(setup)
        other.close()
        content = path.read_bytes()
        with pytest.raises(StateForeign, match=r"another program.*not touched"):
            State(path, IDENTITY)
        assert path.read_bytes() == content
        path.unlink()


def test_a_file_of_a_later_schema_is_refused_and_untouched(path: Path) -> None:
    State(path, IDENTITY).close()
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    other.close()
    with pytest.raises(StateTooNew, match=f"has schema {len(MIGRATIONS) + 1}, .* knows up to {len(MIGRATIONS)}"):
        State(path, IDENTITY)
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    other.close()


def test_an_older_file_is_led_to_the_newest_schema_and_keeps_its_content(path: Path) -> None:
    with State(path, IDENTITY) as state:
        state.apply(batch(range(5)))
    step = ("ALTER TABLE products ADD COLUMN note TEXT", "UPDATE products SET note = 'seen'")
    connection = open_state_file(path, IDENTITY, (*MIGRATIONS, step))
    assert connection.execute("SELECT DISTINCT note FROM products").fetchall() == [("seen",)]
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    connection.close()


def test_a_file_from_before_raw_features_goes_on_without_them_and_is_refused_where_they_are_needed(path: Path) -> None:
    path.parent.mkdir()
    old = open_state_file_of_schema_1(path)
    old.close()
    with State(path, IDENTITY) as state:
        assert state.counts().live == 1
        assert (state.contents([1])[1].image, state.contents([1])[1].text) == (None, None)
        state.apply(Changes(decisions=[DecisionRow("held", Version(0, 9), "p9", "offer.new_product", 0)]))
        assert state.counts().live == 2
        assert state.audit() == ()
    with pytest.raises(StateMismatch, match=r"raw_features False, not True.*delete .*rebuilt from the log"):
        State(path, replace(IDENTITY, raw_features=True))


def test_a_file_from_before_blocks_goes_on_without_them_and_is_refused_where_they_are_needed(path: Path) -> None:
    path.parent.mkdir()
    old = open_state_file_of_schema_1(path)
    migrate(old, MIGRATIONS[:3])
    old.execute("INSERT INTO raw_features VALUES (1, x'01', NULL)")
    old.execute("UPDATE facts SET value = 'true' WHERE name = 'raw_features'")
    old.close()
    identity = replace(IDENTITY, raw_features=True)
    with State(path, identity) as state:
        assert state._file.connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert [blocks.tolist() for *_, blocks in state.live_vectors()] == [[-1]]
        assert state.contents([1])[1].image == b"\x01"
        state.apply(Changes(decisions=[DecisionRow("held", Version(0, 9), "p9", "offer.new_product", 0)]))
        assert [blocks.tolist() for *_, blocks in state.live_vectors()] == [[-1, -1]]
        assert (state.block_names(), state.block_sizes(), state.audit()) == ({}, {None: 2}, ())
    with pytest.raises(StateMismatch, match=r"blocks 0, not 1.*delete .*rebuilt from the log"):
        State(path, replace(identity, blocks=1))


def test_blocks_read_by_another_rule_are_refused(path: Path) -> None:
    State(path, replace(IDENTITY, blocks=1)).close()
    with pytest.raises(StateMismatch, match="blocks 1, not 2"):
        State(path, replace(IDENTITY, blocks=2))


def open_state_file_of_schema_1(path: Path) -> sqlite3.Connection:
    """What the first version left behind: one live offer, and one whose features wait for their decision."""
    vector = np.ones(DIM, "<f2").tobytes()
    facts = {"bundle": "first", "dim": DIM, "partition": 0, "partitions": 1, "topics": ["matches", "offer-features"]}
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, MIGRATIONS[:1])
    connection.executemany("INSERT INTO facts VALUES (?, ?)", [(name, json.dumps(v)) for name, v in facts.items()])
    connection.execute("INSERT INTO offers VALUES (1, 'o1', 0, 1, 'p1', 'offer.new_product', 0)")
    connection.execute("INSERT INTO contents VALUES (1, 's', x'00')")
    connection.execute("INSERT INTO vectors VALUES (1, 0, ?)", (vector,))
    connection.execute("INSERT INTO sellers VALUES (0, 's')")
    connection.execute("INSERT INTO products VALUES ('p1', 0, 1, 1)")
    connection.execute("INSERT INTO pending VALUES ('held', 0, 9, 's', x'00', ?)", (vector,))
    connection.execute("UPDATE totals SET next_key = 2, offers = 1, live = 1, products = 1, pending = 1")
    return connection


def test_raw_features_and_blocks_that_a_state_does_not_keep_are_refused(path: Path) -> None:
    with State(path, IDENTITY) as state:
        with pytest.raises(ValueError, match="bring blocks; this state has none"):
            state.apply(Changes([feature(0, block="nike")], [decision(0)]))
        with pytest.raises(ValueError, match="brings raw features; this state keeps none"):
            state.apply(Changes([feature(0, image=b"i")], [decision(0)]))
        assert state.counts().offers == 0


def test_a_schema_step_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    with State(path, IDENTITY) as state:
        state.apply(batch(range(5)))
    broken = ("ALTER TABLE products ADD COLUMN note TEXT", "DELETE FROM nowhere")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        open_state_file(path, IDENTITY, (*MIGRATIONS, broken))
    with State(path, IDENTITY) as state:
        assert state.counts().live == 5


def test_an_empty_file_becomes_a_state(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    State(path, IDENTITY).close()
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    other.close()


@pytest.mark.parametrize("damage", ["garbage", "cut", "no tables", "bad page"])
def test_a_damaged_file_is_said_to_be_deletable(path: Path, damage: str) -> None:
    with State(path, IDENTITY) as state:
        state.apply(batch(range(2000)))
    content = bytearray(path.read_bytes())
    if damage == "garbage":
        content[:] = b"no database, only text " * 1000
    elif damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "no tables":
        content[8192:] = b"\xff" * (len(content) - 8192)
    else:
        # The leaves of one table only; the opening cannot see it, the reading does.
        with sqlite3.connect(path) as other:
            (root,) = other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'vectors'").fetchone()
        other.close()
        content[(root - 1) * 8192 : root * 8192] = b"\xff" * 8192
    path.write_bytes(content)
    with pytest.raises(StateUnusable, match=r"damaged.*delete .*state.sqlite .*rebuilt from the log"):
        list(State(path, IDENTITY).live_vectors())


def test_a_position_cannot_go_back_and_the_batch_that_tries_is_not_applied(path: Path) -> None:
    with State(path, IDENTITY) as state:
        state.apply(batch(range(5)))
        back = Changes([feature(9)], [decision(9)], {("offer-features", 0): 10, ("matches", 0): 4})
        with pytest.raises(PositionMovedBack, match=r"at offset 5 of matches \[0\] .* go back to 4"):
            state.apply(back)
        assert state.ledger(["o9"]) == {}
        assert state.positions() == {("offer-features", 0): 5, ("matches", 0): 5}
        state.apply(Changes(positions={("matches", 0): 5}))


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (feature(1, vector=np.zeros(DIM + 1, np.float32)), r"offer 'o1' .* must be f32\[8\]"),
        (feature(1, vector=np.zeros(DIM)), r"must be f32\[8\]"),
        (feature(1, vector=np.full(DIM, np.nan, np.float32)), "finite and rounded to fp16"),
        (feature(1, vector=np.full(DIM, np.inf, np.float32)), "finite and rounded to fp16"),
        (feature(1, vector=np.full(DIM, 70_000, np.float32)), "finite and rounded to fp16"),
        (feature(1, vector=np.full(DIM, 0.1, np.float32)), "finite and rounded to fp16"),
    ],
)
def test_a_bad_vector_is_refused_and_nothing_of_its_batch_is_applied(path: Path, bad: FeatureRow, text: str) -> None:
    with State(path, IDENTITY) as state:
        with pytest.raises(ValueError, match=text):
            state.apply(Changes([feature(0), bad], [decision(0), decision(1)]))
        assert state.counts().offers == 0


def test_a_position_in_an_unknown_topic_is_refused(path: Path) -> None:
    with State(path, IDENTITY) as state, pytest.raises(ValueError, match=r"'verdicts' .* is not of"):
        state.apply(Changes(positions={("verdicts", 0): 1}))


def test_strange_ids_are_kept_apart(path: Path) -> None:
    names = ["a", "a\0b", "a\0", "", "é", "e\u0301", "' OR 1=1 --", "x" * 5000, "名前"]
    rows = [DecisionRow(name, Version(0, n), f"p{n}", "offer.matched", 0) for n, name in enumerate(names)]
    with State(path, IDENTITY) as state:
        state.apply(Changes(decisions=rows))
        assert {name: row.version.offset for name, row in state.ledger(names).items()} == dict(
            zip(names, range(len(names)), strict=True)
        )


@pytest.mark.parametrize("statement", [1, 4, 20, 28, 29, 60, 81])
def test_a_process_killed_within_a_batch_leaves_whole_batches_only(path: Path, statement: int) -> None:
    """Of 81 statements, those from the seventh to the 28th are about the contents."""
    script = f"""
    state = State(path, identity)
    state.apply(batch(0))
    seen = 0
    def count(text):
        global seen
        seen += 1
        if seen == {statement}:
            os.kill(os.getpid(), signal.SIGKILL)
    state._file.connection.set_trace_callback(count)
    state._file.contents._connection.set_trace_callback(count)
    state.apply(batch(1))
    print("applied", seen)
    """
    child = start(path, script)
    output, _ = child.communicate(timeout=60)
    assert (child.returncode, output) == (-signal.SIGKILL, "")
    with State(path, IDENTITY) as state:
        assert state.audit() == ()
        assert state.counts().live == 20
        assert state.positions() == {("offer-features", 0): 20, ("matches", 0): 20}
        state.apply(batch(range(20, 50)))
        assert (state.counts().live, state.audit()) == (50, ())


def test_a_process_killed_at_any_instant_again_and_again_loses_no_batch(path: Path) -> None:
    script = """
    state = State(path, identity)
    i = state.positions().get(("matches", 0), 0) // 20
    while True:
        state.apply(batch(i))
        i += 1
        print(i, flush=True)
    """
    told = 0
    for lines in (1, 7, 3):
        child = start(path, script)
        assert child.stdout is not None
        for _ in range(lines):
            told = int(child.stdout.readline())
        child.kill()
        rest, _ = child.communicate(timeout=60)
        complete = [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        told = int(complete[-1]) if complete else told
        with State(path, IDENTITY) as state:
            end = state.positions()["matches", 0]
            assert end >= 20 * told
            assert end % 20 == 0
            assert (state.counts().offers, state.counts().live) == (end, end)
            assert state.audit() == ()


def test_a_full_disk_is_named_and_nothing_committed_is_lost(path: Path) -> None:
    with State(path, IDENTITY) as state:
        state.apply(batch(range(5)))
        before = (state.counts(), state.positions(), state.ledger(["o1", "o7"]))
        (pages,) = state._file.connection.execute("PRAGMA page_count").fetchone()
        state._file.connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StateDiskFault, match=r"full.*nothing committed is lost"):
            state.apply(batch(range(5, 5000)))
        assert (state.counts(), state.positions(), state.ledger(["o1", "o7"])) == before
        state._file.connection.execute("PRAGMA max_page_count = 1000000")
        state.apply(batch(range(5, 5000)))
        assert state.counts().live == 5000
        assert state.audit() == ()


def test_a_refused_write_is_named_and_the_state_goes_on_when_there_is_room(path: Path) -> None:
    script = """
    state = State(path, identity)
    state.apply(batch(0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = os.stat(f"{path}-wal").st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, resource.RLIM_INFINITY))
    try:
        state.apply(batch(1, payload=b"x" * 20_000))
    except StateDiskFault as fault:
        print(fault)
    print(state.counts().live, state.positions()["matches", 0])
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    state.apply(batch(1))
    print(state.counts().live, state.audit())
    """
    output, _ = start(path, script).communicate(timeout=60)
    told, then, finally_ = output.splitlines()
    assert "could not be read or written" in told
    assert then == "20 20"
    assert finally_ == "40 ()"
