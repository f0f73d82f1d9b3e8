"""Duels: judged by the exact answers, kept in a ledger, shown with what is missing."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from benchmarks.index import session
from benchmarks.index.cases import K
from benchmarks.index.duel.course import ASKING, MIXED_ROUNDS, SAMPLE, Course, Judge, make_course
from benchmarks.index.duel.entrant import Entrant, Failed
from benchmarks.index.duel.figures import Alone, Duel, Figures, Ledger, LedgerMismatch, Point
from benchmarks.index.plot import drawing
from benchmarks.index.session import IndexBenchmark, Plan, bench_index
from benchmarks.index.tables import markdown
from benchmarks.results import Result, machine
from index_store.store import NO_BLOCK
from matcher.clock import SystemClock

SIZE = 10_000
QUERIES = np.arange(SAMPLE)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return make_course(SIZE, tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def judge(course: Course) -> Judge:
    return Judge(course)


def answers(course: Course, *, branded: bool, changed: bool) -> np.ndarray:
    """The exact K best keys of QUERIES, the slow way."""
    rows = course.rows_by_key(changed=changed)
    keys = np.flatnonzero(rows >= 0)
    vectors = np.fromfile(course.file, np.float16).reshape(-1, course.queries.shape[1])[rows[keys]].astype(np.float32)
    scores = course.queries[QUERIES] @ vectors.T
    if branded:
        of = course.brands[rows[keys]][None]
        scores[(of != NO_BLOCK) & (of != course.query_brands[QUERIES, None])] = -np.inf
    return keys[np.argsort(-scores, axis=1)[:, :K]]


@pytest.mark.parametrize("branded", [True, False])
@pytest.mark.parametrize("changed", [True, False])
def test_exact_answers_have_a_recall_of_one(course: Course, judge: Judge, branded: bool, changed: bool) -> None:
    found = answers(course, branded=branded, changed=changed)
    assert judge.recall(QUERIES, found, branded=branded, changed=changed) == 1.0
    found[:, K // 2 :] = -1
    assert judge.recall(QUERIES, found, branded=branded, changed=changed) == pytest.approx(0.5, abs=0.01)


def test_what_has_gone_comes_twice_or_is_not_allowed_counts_as_not_found(course: Course, judge: Judge) -> None:
    best = answers(course, branded=False, changed=False)
    twice = np.repeat(best[:, :1], K, axis=1)
    assert judge.recall(QUERIES, twice, branded=False, changed=False) == pytest.approx(1 / K)
    strangers = course.rows_by_key(changed=True).size + best
    assert judge.recall(QUERIES, strangers, branded=False, changed=False) == 0
    gone = np.isin(best, course.gone)
    assert gone.any()
    found = judge.recall(QUERIES, np.where(gone, best, -1), branded=False, changed=True)
    assert found == 0
    others = course.brands[best] != NO_BLOCK
    others &= course.brands[best] != course.query_brands[QUERIES, None]
    assert others.any()
    assert judge.recall(QUERIES, np.where(others, best, -1), branded=True, changed=False) == 0


def test_a_course_replaces_adds_and_removes_each_key_once(course: Course) -> None:
    touched = np.concatenate([course.large[0].ravel(), course.mixed[0].ravel(), course.gone.ravel()])
    assert len(np.unique(touched)) == len(touched)
    rows = np.concatenate([course.large[1].ravel(), course.mixed[1].ravel()])
    assert len(np.unique(rows)) == len(rows)
    assert rows.min() == SIZE
    assert rows.max() == len(course.brands) - 1
    assert (course.rows_by_key(changed=True) >= 0).sum() == SIZE  # as many come as go
    assert len(course.queries) == ASKING
    assert course.gone.shape[0] == MIXED_ROUNDS


@pytest.mark.slow
def test_a_process_that_fails_is_late_or_dies_is_a_failure_that_says_so(course: Course, tmp_path: Path) -> None:
    with Entrant(course, "flat", tmp_path / "flat") as entrant:
        assert entrant.ask("facts", seconds=120).title == "FAISS Flat"
        with pytest.raises(Failed, match="AttributeError: 'Seat' object has no attribute 'fly'"):
            entrant.ask("fly", seconds=60)
        assert entrant.ask("build", seconds=120) > 0  # goes on after an error
        assert entrant.taken == SIZE
        memory = entrant.ask("memory", seconds=60)
        assert memory.own > SIZE * 4 * course.queries.shape[1]
        with pytest.raises(Failed, match="search took more than 0 s"):
            entrant.ask("search", np.arange(ASKING), False, 60.0, seconds=0)
        with pytest.raises(Failed, match="the process ended with status -9 in facts"):
            entrant.ask("facts", seconds=60)
    assert not (tmp_path / "flat").exists()


@pytest.mark.slow
def test_a_duel_gives_results_against_the_reference_and_is_not_run_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "measure_alone", lambda *_: ())
    plan = Plan([SIZE], ["flat"], 1, 300, tmp_path / "ledger.jsonl")
    told: list[str] = []
    first = bench_index(plan, SystemClock(), _folder(tmp_path, "first"), told.append)
    results = {result.name: result for result in first.results}
    for name in ("search_all", "search_with_brand", "upsert", "upsert_small", "mixed", "bytes_per_offer", "build"):
        assert results[f"{name}_vs_flat_10k"].ours > 0
        assert results[f"{name}_vs_flat_10k"].reference_name == "FAISS Flat"
    for name in ("recall_all", "recall_with_brand", "recall_all_changed", "recall_with_brand_changed"):
        assert results[f"{name}_vs_flat_10k"].reference == 1.0  # exact, before and after: it has made all changes
        assert results[f"{name}_vs_flat_10k"].ours >= 0.99
    monkeypatch.setattr(session, "fight", None)
    monkeypatch.setattr(session, "measure_alone", None)
    again = bench_index(plan, SystemClock(), _folder(tmp_path, "second"), told.append)
    assert again == first


def figures(title: str, **measured: Any) -> Figures:
    return Figures(title=title, version="1", settings="as it is", effort=8, **measured)


DUELS = (
    Duel(
        size=SIZE,
        reference="flat",
        machine="here",
        ours=figures("ours", search_all=4000.0, recall_all=0.999, bytes_per_offer=250.0, upsert=900.0),
        theirs=figures(
            "FAISS Flat",
            search_all=40.0,
            recall_all=1.0,
            bytes_per_offer=800.0,
            curve=(Point(8, 0.9, 50.0), Point(16, 1.0, 40.0), Point(32, 0.99, 30.0)),
            remarks=("has no brakes",),
        ),
    ),
    Duel(size=SIZE, reference="milvus", machine="here", not_run="build took more than 9 s after 5 of 10,000 offers"),
)


def test_tables_give_ratios_and_say_what_was_not_run() -> None:
    text = markdown(DUELS)
    assert "| **ours** | 0.9990, –, – | – | 4,000 |" in text
    assert "| FAISS Flat | 1.0000, –, – | – | 40 (100) |" in text
    assert "**milvus** was not run: build took more than 9 s after 5 of 10,000 offers." in text
    assert "FAISS Flat (1): as it is; effort 8; has no brakes." in text


def test_the_plot_is_a_picture_of_every_index_that_ran() -> None:
    root = ET.fromstring(drawing(DUELS))
    dots = [element.get("class", "") for element in root.iter() if element.tag.endswith("circle")]
    # Two panels with what was chosen, and two of the three efforts: the third is slower and finds less.
    assert sorted(dots) == ["dot flat"] * 4 + ["dot ours"] * 2
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert "10,000 offers" in texts
    assert {"0.9", "0.9999", "100,000"} <= set(texts)


def test_a_ledger_goes_on_where_it_ended_and_refuses_what_is_not_its_own(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    ledger = Ledger(file, "here")
    result = Result(name="a", ours=2.0, reference=1.0, reference_name="b", ratio=2.0, unit="c")
    ledger.add(Alone(size=SIZE, machine="here", results=(result,)))
    for duel in DUELS:
        ledger.add(duel)
    read = Ledger(file, "here")
    assert read.duel(SIZE, "flat") == DUELS[0]
    assert read.duel(SIZE, "milvus") == DUELS[1]
    assert read.duel(20_000, "flat") is None
    assert (kept := read.alone(SIZE)) is not None
    assert kept.results == (result,)
    with pytest.raises(LedgerMismatch, match=r"is of another machine \(here\)"):
        Ledger(file, "elsewhere")
    file.write_text("recall\n")
    with pytest.raises(LedgerMismatch, match="must hold what `offermatch bench index` has written"):
        Ledger(file, "here")


def test_a_reference_that_was_not_run_stays_in_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(file := tmp_path / "ledger.jsonl", machine())
    ledger.add(Alone(size=SIZE, machine=machine(), results=()))
    duels = tuple(
        replace(duel, machine=machine(), reference=name) for duel, name in zip(DUELS, ("flat", "ivf"), strict=True)
    )
    for duel in duels:
        ledger.add(duel)
    told: list[str] = []
    plan = Plan([SIZE], ["flat", "ivf"], 1, 1, file)
    found: IndexBenchmark = bench_index(plan, SystemClock(), tmp_path, told.append)
    assert found.duels == duels
    names = {result.name: result.ratio for result in found.results}
    assert names == {
        "search_all_vs_flat_10k": 100,
        "recall_all_vs_flat_10k": 0.999,
        "bytes_per_offer_vs_flat_10k": 0.3125,
    }
    assert told[-1] == "10k, ivf: not run: build took more than 9 s after 5 of 10,000 offers"


def _folder(parent: Path, name: str) -> Path:
    (folder := parent / name).mkdir()
    return folder
