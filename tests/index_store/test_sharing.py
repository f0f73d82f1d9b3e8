"""Work is shared among threads that are free, and done by who asked for it where none is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from index_store.cells import sharing
from index_store.cells.sharing import beside, in_parts

PATIENCE = 30.0


@pytest.fixture
def helper(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    """The one other thread, whatever machine this is."""
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(sharing, "_threads", lambda: 2)
        monkeypatch.setattr(sharing, "_pool", lambda: pool)
        yield pool


@pytest.fixture
def busy(helper: ThreadPoolExecutor) -> Iterator[None]:
    """The other thread does not come to anything."""
    free = threading.Event()
    helper.submit(free.wait, PATIENCE)
    yield
    free.set()


@pytest.mark.parametrize(("count", "least"), [(0, 1), (1, 1), (7, 2), (64, 1), (64, 17), (64, 100)])
def test_parts_make_up_all_and_none_is_too_short(helper: ThreadPoolExecutor, count: int, least: int) -> None:
    done: list[tuple[int, int]] = []
    in_parts(lambda begin, end: done.append((begin, end)), count, least)
    assert sorted(row for begin, end in done for row in range(begin, end)) == list(range(count))
    assert len(done) == 1 or min(end - begin for begin, end in done) >= least


def test_two_parts_are_worked_on_at_the_same_time(helper: ThreadPoolExecutor) -> None:
    meeting = threading.Barrier(2)
    in_parts(lambda *_: meeting.wait(PATIENCE), 2, 1)


@pytest.mark.usefixtures("busy")
def test_parts_that_no_other_thread_begins_are_done_here() -> None:
    rows: list[int] = []
    here = set()

    def work(begin: int, end: int) -> None:
        here.add(threading.get_ident())
        rows.extend(range(begin, end))

    in_parts(work, 100, 1)
    assert sorted(rows) == list(range(100))
    assert here == {threading.get_ident()}


@pytest.mark.parametrize("bad", [0, 99])
def test_an_error_in_any_part_is_raised_once_no_part_runs_any_more(helper: ThreadPoolExecutor, bad: int) -> None:
    running: set[int] = set()

    def work(begin: int, end: int) -> None:
        running.add(begin)
        try:
            if begin <= bad < end:
                raise OSError("bad row")
        finally:
            running.remove(begin)

    with pytest.raises(OSError, match="bad row"):
        in_parts(work, 100, 1)
    assert not running


def test_work_goes_on_beside_the_body(helper: ThreadPoolExecutor) -> None:
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert ended.wait(PATIENCE)

    with beside(work):
        assert begun.wait(PATIENCE)
        ended.set()


@pytest.mark.usefixtures("busy")
def test_work_is_done_after_the_body_if_no_thread_was_free_or_the_body_fails() -> None:
    done: list[int] = []
    with pytest.raises(KeyError), beside(lambda: done.append(1)):
        raise KeyError
    assert done == [1]


@pytest.mark.parametrize("worth", [True, False])
def test_an_error_beside_is_raised(helper: ThreadPoolExecutor, worth: bool) -> None:
    def fails() -> None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"), beside(fails, worth=worth):
        pass


def test_work_is_shared_where_blas_is_kept_to_one_thread() -> None:
    program = """
from index_store.cells.store import CellStore
from index_store.cells.blas import one_thread
from index_store.cells import sharing
with one_thread():
    print(sharing._threads())
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "3"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3"]
