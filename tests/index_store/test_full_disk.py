"""A disk that is really full: a small file system of the test's own, on which state and index run out of room.

Mapped files are the reason for it: what an injected fault cannot show is a process that dies of SIGBUS.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PREPARED = """
import os, sys
from pathlib import Path
import numpy as np
from index_store.cells.search import Effort
from index_store.cells.store import CellStore
from index_store.errors import StateDiskFault
from index_store.flat import FlatStore
from index_store.rows import Changes, DecisionRow, FeatureRow, Identity, Version
from index_store.state import State

DISK = Path(sys.argv[1])
EVERYTHING = Effort(probes=10**6, kept=10**6, fetch=4096, fetch_kept=8192, rank=4096)
draws = np.random.default_rng(0)
def vectors(count):
    made = draws.standard_normal((count, 64))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
def rows(first, count):
    codes = np.full(count, -1, np.int32)
    return np.arange(first, first + count), vectors(count), codes, codes
def fill(left):
    "Leaves so many bytes of the disk."
    free = os.statvfs(DISK).f_bavail * os.statvfs(DISK).f_bsize
    with open(DISK / "filler", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - left)
def make_room():
    os.remove(DISK / "filler")
def same(store, flat):
    queries = vectors(5)
    one, other = store.search(queries, 3, effort=EVERYTHING), flat.search(queries, 3)
    return len(store) == len(flat) and (one.keys == other.keys).all()
"""


def on_a_disk_of(megabytes: int, folder: Path, script: str) -> list[str]:
    """Runs a script in a mount namespace of its own; returns the lines that it prints."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare (util-linux) is not there to mount a small file system with")
    mount = f'mount -t tmpfs -o size={megabytes}m none "$1"'
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c"]
    probe = subprocess.run([*namespace, mount, "bash", str(folder)], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"this system lets nobody mount a small file system: {probe.stderr.strip()[:200]}")
    run = f'{mount} && exec "$2" -c "$3" "$1"'
    code = PREPARED + textwrap.dedent(script)
    done = subprocess.run(
        [*namespace, run, "bash", str(folder), sys.executable, code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr}"
    return done.stdout.splitlines()


def test_an_index_in_cells_says_that_the_disk_is_full_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    said = on_a_disk_of(
        64,
        tmp_path,
        """
        store, flat = CellStore(64, DISK / "index", exact_below=500), FlatStore(64)
        first = rows(0, 1000)
        store.load([first])
        flat.upsert(*first)
        fill(5 << 20)
        try:
            for start in range(1000, 10**6, 2000):
                more = rows(start, 2000)
                store.upsert(*more)
                flat.upsert(*more)
        except OSError as error:
            print(error)
        print(len(flat) > 20_000, same(store, flat))
        store.remove(np.arange(500))
        flat.remove(np.arange(500))
        print(same(store, flat))
        make_room()
        store.upsert(*more)
        flat.upsert(*more)
        print(same(store, flat))
        """,
    )
    assert said[0].startswith("[Errno 28] No space left on device; the index cannot grow, nothing committed is lost")
    assert "vectors.f16" in said[0]
    assert said[1:] == ["True True", "True", "True"]


def test_an_exact_index_that_cannot_become_cells_stays_whole(tmp_path: Path) -> None:
    said = on_a_disk_of(
        64,
        tmp_path,
        """
        store, flat = CellStore(64, DISK / "index", exact_below=500), FlatStore(64)
        fill(5 << 20)
        refused = 0
        for start in range(0, 5000, 50):
            more = rows(start, 50)
            try:
                store.upsert(*more)
                flat.upsert(*more)
            except OSError as error:
                refused += 1
        print(refused > 1, len(flat), same(store, flat), store.report().exact)
        print(len(list((DISK / "index").iterdir())))
        make_room()
        for start in range(5000, 11_000, 50):
            more = rows(start, 50)
            store.upsert(*more)
            flat.upsert(*more)
        print(same(store, flat), store.report().exact)
        """,
    )
    refused, held, whole, exact = said[0].split()
    assert (refused, whole, exact) == ("True", "True", "True")
    assert int(held) >= 500
    assert said[1:] == ["0", "True False"], "what could not be finished is deleted"


def test_a_start_needs_no_room_for_what_it_has_and_says_so_where_more_finds_none(tmp_path: Path) -> None:
    said = on_a_disk_of(
        64,
        tmp_path,
        """
        everything, more = rows(0, 20_000), rows(20_000, 19_000)
        store = CellStore(64, DISK / "index", exact_below=500)
        store.load([everything])
        store.close()
        fill(1 << 20)
        store = CellStore(64, DISK / "index", exact_below=500)
        print(store.load([everything]))
        store.close()
        store = CellStore(64, DISK / "index", exact_below=500)
        try:
            store.load([everything, more])
        except OSError as error:
            print(error)
        store.close()
        make_room()
        store = CellStore(64, DISK / "index", exact_below=500)
        print(store.load([everything, more]))
        """,
    )
    assert said[0] == "Loaded(entries=20000, assigned=0)"
    assert said[1].startswith("[Errno 28] No space left on device; the index cannot grow")
    assert said[2:] == ["Loaded(entries=39000, assigned=19000)"]


def test_a_state_says_that_the_disk_is_full_and_has_lost_nothing_that_was_committed(tmp_path: Path) -> None:
    said = on_a_disk_of(
        32,
        tmp_path,
        """
        identity = Identity("bundle", 64, 0, ("offer-features", "matches"))
        def batch(number):
            numbers = range(100 * number, 100 * number + 100)
            made = vectors(100)
            return Changes(
                [FeatureRow(f"o{n}", Version(0, n), "s", bytes(1000), v) for n, v in zip(numbers, made)],
                [DecisionRow(f"o{n}", Version(0, n), f"p{n}", "new_product", 0) for n in numbers],
                {("offer-features", 0): numbers.stop, ("matches", 0): numbers.stop},
            )
        state = State(DISK / "state.sqlite", identity)
        state.apply(batch(0))
        fill(3 << 20)
        number = 1
        try:
            while True:
                state.apply(batch(number))
                number += 1
        except StateDiskFault as fault:
            print(fault)
        print(number > 2, state.counts().live == 100 * number, state.positions()["matches", 0] == 100 * number)
        state.close()
        try:
            with State(DISK / "state.sqlite", identity) as state:
                print("opened", state.counts().live == 100 * number)
        except StateDiskFault as fault:
            print("opened", "nothing committed is lost" in str(fault))
        make_room()
        with State(DISK / "state.sqlite", identity) as state:
            print(state.counts().live == 100 * number, state.audit())
            state.apply(batch(number))
            print(state.counts().live == 100 * number + 100, state.audit())
        """,
    )
    assert "state.sqlite could not be read or written" in said[0]
    assert "nothing committed is lost: make room" in said[0]
    assert said[1:] == ["True True True", "opened True", "True ()", "True ()"]


def test_a_file_of_before_that_finds_no_room_to_be_led_over_stays_and_is_led_over_when_there_is_some(
    tmp_path: Path,
) -> None:
    said = on_a_disk_of(
        64,
        tmp_path,
        """
        import sqlite3
        from index_store.schema import PLACES
        from tests.index_store.test_contents import IDENTITY, OFFERS, of_before
        path = DISK / "state.sqlite"
        of_before(path)
        fill(3 << 20)
        try:
            State(path, IDENTITY)
        except StateDiskFault as fault:
            print(fault)
        old = sqlite3.connect(path)
        print(old.execute("PRAGMA user_version").fetchone() == (PLACES - 1,))
        old.close()
        make_room()
        with State(path, IDENTITY) as state:
            print(state.counts().live == OFFERS - 1, state.audit())
        """,
    )
    assert "full" in said[0]
    assert "nothing committed is lost" in said[0]
    assert said[1:] == ["True", "True ()"]


def test_a_file_that_was_led_over_and_finds_no_room_to_become_small_is_used_as_it_is(tmp_path: Path) -> None:
    said = on_a_disk_of(
        64,
        tmp_path,
        """
        from index_store import opening
        from tests.index_store.test_contents import IDENTITY, OFFERS, batch, of_before, said
        path = DISK / "state.sqlite"
        of_before(path)
        size = path.stat().st_size
        led_over = opening.migrate
        def led_over_by_others_too(*arguments):
            before = led_over(*arguments)
            fill(64 << 10)  # something else took the rest of the disk meanwhile
            return before
        opening.migrate = led_over_by_others_too
        with State(path, IDENTITY) as state:
            print(state.counts().live == OFFERS - 1, state.audit())
            print(path.stat().st_size > size / 2, path.with_name("state.sqlite.compact").exists())
            make_room()
            state.apply(batch(range(2, 5_000), version=10_000))
            print(said(state, 1), said(state, 4_999))
        opening.migrate = led_over
        with State(path, IDENTITY) as state:
            print(state.audit(), said(state, 2))
        """,
    )
    assert said == ["True ()", "True False", "b'1 in 0' b'4999 in 10000'", "() b'2 in 10000'"]
