"""The index in cells over its life: growing, changing, starting again, on full disks and with torn files."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.index.cases import exact, make_cases, recall
from benchmarks.index.feed import DIM, Feed, make_feed
from index_store.cells.recall import Probe
from index_store.cells.search import Effort
from index_store.cells.store import CellStore
from index_store.flat import FlatStore
from index_store.store import Hits, IndexStore, Rows

EVERYTHING = Effort(probes=10**6, kept=10**6, fetch=4096, fetch_kept=8192, rank=4096)
OFFERS, ASKING = 12_000, 200


@pytest.fixture(scope="module")
def feed() -> Feed:
    return make_feed(OFFERS + ASKING, seed=11)


def probed(store: CellStore, queries: int) -> Probe:
    return next(found for found in store.probe(queries) if found is not None)


def chunk(feed: Feed, keys: Any, offers: Any = None, blocks: Any = None) -> Rows:
    keys = np.asarray(keys, np.int64)
    offers = keys if offers is None else offers
    codes = np.full(len(keys), -1, np.int32) if blocks is None else blocks
    return keys, feed.vectors[offers].astype(np.float32), feed.sellers[offers], codes


def chunks(feed: Feed, count: int, step: int = 1000) -> Iterator[Rows]:
    for start in range(0, count, step):
        yield chunk(feed, np.arange(start, min(count, start + step)))


def assert_same(left: IndexStore, right: IndexStore, queries: Any, **terms: Any) -> None:
    deep = {"effort": EVERYTHING} if isinstance(left, CellStore) else {}
    found: Hits = left.search(queries, 10, **terms, **deep)
    expected = right.search(queries, 10, **terms)
    np.testing.assert_array_equal(found.keys, expected.keys)
    np.testing.assert_array_equal(found.scores, expected.scores)


def assert_holds_what(left: CellStore, right: FlatStore, feed: Feed) -> None:
    """The same entries to the bit, and a search that looks at all of them finds them."""
    keys = right.keys()
    assert len(left) == len(right)
    np.testing.assert_array_equal(left.reconstruct(keys), right.reconstruct(keys))
    np.testing.assert_array_equal(left.labels(keys), right.labels(keys))
    assert_same(left, right, feed.vectors[OFFERS:][:40].astype(np.float32))


def test_results_stay_exact_while_cells_grow_beside_and_take_over(feed: Feed) -> None:
    store, flat = CellStore(DIM, exact_below=1000), FlatStore(DIM)
    queries = feed.vectors[OFFERS:][:8].astype(np.float32)
    was_exact = []
    for number, rows in enumerate(chunks(feed, 3000, step=50)):
        gone = np.arange(number * 50 - 60, number * 50 - 50)
        for each in (store, flat):
            each.upsert(*rows)
            if number > 2:
                each.remove(gone)
        assert len(store) == len(flat)
        assert_same(store, flat, queries)
        was_exact.append(store.report().exact)
    assert was_exact[0]
    assert not was_exact[-1]
    assert sorted(was_exact, reverse=True) == was_exact
    store.close()


@pytest.mark.slow
def test_cells_keep_their_size_while_the_index_grows_tenfold_and_shrinks(feed: Feed) -> None:
    store = CellStore(DIM, exact_below=1000)
    for rows in chunks(feed, OFFERS, step=500):
        store.upsert(*rows)
    grown = store.report()
    assert grown.cells > 4 * np.sqrt(1000) * 2
    assert grown.largest_cell < 4 * OFFERS / grown.cells
    store.remove(np.arange(2000, OFFERS))
    for _ in range(20):
        store.upsert(*chunk(feed, np.arange(1000)))
    assert store.report().cells < grown.cells
    flat = FlatStore(DIM)
    flat.upsert(*chunk(feed, np.arange(2000)))
    assert_same(store, flat, feed.vectors[OFFERS:].astype(np.float32))
    store.close()


def test_few_are_left_and_the_index_is_exact_again(feed: Feed) -> None:
    store = CellStore(DIM, exact_below=1000)
    store.load(chunks(feed, 3000))
    assert not store.report().exact
    store.remove(np.arange(450, 3000))
    assert store.report().exact
    flat = FlatStore(DIM)
    flat.upsert(*chunk(feed, np.arange(450)))
    assert_same(store, flat, feed.vectors[OFFERS:].astype(np.float32))
    store.upsert(*chunk(feed, np.arange(450, 3000)))
    store.close()


def test_twins_that_no_cell_can_part_are_all_found(feed: Feed) -> None:
    store, flat = CellStore(DIM, exact_below=500), FlatStore(DIM)
    offers = np.r_[np.arange(1000), np.full(1500, 7)]
    for start in range(0, 2500, 100):
        keys = np.arange(start, start + 100)
        for each in (store, flat):
            each.upsert(*chunk(feed, keys, offers[keys]))
    assert_same(store, flat, feed.vectors[:8].astype(np.float32))
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("changed", [False, True])
def test_recall_is_high_in_every_case_also_after_half_has_changed(feed: Feed, changed: bool) -> None:
    store = CellStore(DIM, exact_below=1000)
    offer_of = np.arange(OFFERS)
    store.load(chunks(feed, OFFERS))
    if changed:
        random = np.random.default_rng(1)
        moved = random.permutation(OFFERS)[: OFFERS // 2]
        store.remove(moved[::2])
        offer_of[moved] = offer_of[random.permutation(moved)]
        for start in range(0, len(moved), 250):
            part = moved[start : start + 250]
            store.upsert(*chunk(feed, part, offer_of[part]))
    for case in make_cases(feed, ASKING, seed=2):
        for start in range(0, OFFERS, 1000):
            keys = np.arange(start, start + 1000)
            store.upsert(*chunk(feed, keys, offer_of[keys], case.blocks[offer_of[keys]]))
        found = store.search(case.asked, 10, blocks=case.allowed)
        assert recall(found, exact(feed.vectors, offer_of, case)) >= 0.98, case.name
    assert probed(store, 100).recall >= 0.98
    store.close()


def test_memory_is_counted_and_given_back(feed: Feed) -> None:
    store = CellStore(DIM, exact_below=1000)
    store.load(chunks(feed, OFFERS))
    full = store.memory_bytes()
    assert 232 * OFFERS < full < 450 * OFFERS  # cells of few entries have more to spare than those of a million
    store.remove(np.arange(OFFERS - 1000))
    assert store.memory_bytes() < 0.4 * full
    store.close()


def test_a_start_assigns_only_what_has_changed(feed: Feed, tmp_path: Path) -> None:
    first = CellStore(DIM, tmp_path, exact_below=1000)
    assert first.load(chunks(feed, 3000)).assigned == 3000
    first.upsert(*chunk(feed, np.arange(3000, 4000)))
    first.remove(np.arange(500))
    first.close()
    offers = np.arange(500, 4100)
    offers[:30] = np.arange(5000, 5030)
    second, flat = CellStore(DIM, tmp_path, exact_below=1000), FlatStore(DIM)
    flat.upsert(*chunk(feed, np.arange(500, 4100), offers))
    loaded = second.load([chunk(feed, np.arange(500, 4100), offers)])
    assert loaded.entries == 3600
    assert loaded.assigned == 130
    assert_holds_what(second, flat, feed)
    second.close()
    assert len(list(tmp_path.iterdir())) == 1
    third = CellStore(DIM, tmp_path, exact_below=1000)
    assert third.load([chunk(feed, np.arange(500, 4100), offers)], anew=True).assigned == 3600
    third.close()


def _tear(folder: Path, how: str) -> None:
    if how == "cells of nowhere":
        cells = np.fromfile(folder / "cells.i32", np.int32)
        cells[:] = 10**6
        cells.tofile(folder / "cells.i32")
    elif how == "short vectors":
        os.truncate(folder / "vectors.f16", 100 * DIM * 2)
    elif how == "noise":
        (folder / "head.i64").write_bytes(os.urandom(4096))
    elif how == "not whole":
        head = np.fromfile(folder / "head.i64", np.int64)
        head[4] = 0
        head.tofile(folder / "head.i64")
    else:
        (folder / "keys.i64").write_bytes(os.urandom(2000 * 8))


@pytest.fixture(scope="module")
def whole(feed: Feed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a store of 2,000 entries leaves behind."""
    folder = tmp_path_factory.mktemp("whole")
    store = CellStore(DIM, folder, exact_below=1000)
    store.load(chunks(feed, 2000))
    store.close()
    return folder


@pytest.mark.parametrize("how", ["cells of nowhere", "short vectors", "noise", "not whole", "other keys"])
def test_torn_files_cost_time_and_nothing_else(feed: Feed, whole: Path, tmp_path: Path, how: str) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    (folder,) = tmp_path.iterdir()
    _tear(folder, how)
    store, flat = CellStore(DIM, tmp_path, exact_below=1000), FlatStore(DIM)
    flat.upsert(*chunk(feed, np.arange(2000)))
    assert store.load(chunks(feed, 2000)).assigned == 2000
    assert_holds_what(store, flat, feed)
    store.close()


def test_files_of_a_run_that_was_killed_serve_the_next(feed: Feed, tmp_path: Path) -> None:
    killed = CellStore(DIM, tmp_path / "a", exact_below=1000)
    killed.load(chunks(feed, 3000))
    killed.upsert(*chunk(feed, np.arange(3000, 3500)))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    killed.close()
    next_ = CellStore(DIM, tmp_path / "b", exact_below=1000)
    assert next_.load(chunks(feed, 3500)).assigned == 0
    next_.close()


def test_a_full_disk_is_said_and_changes_nothing(feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, flat = CellStore(DIM, tmp_path, exact_below=1000), FlatStore(DIM)
    store.load(chunks(feed, 2000))
    flat.upsert(*chunk(feed, np.arange(2000)))

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    keys = np.arange(1990, OFFERS)
    with pytest.raises(OSError, match="No space left"):
        store.upsert(*chunk(feed, keys, keys[::-1]))
    assert len(store) == 2000
    assert_holds_what(store, flat, feed)
    monkeypatch.undo()
    store.upsert(*chunk(feed, keys))
    flat.upsert(*chunk(feed, keys))
    assert_holds_what(store, flat, feed)
    store.close()


def test_vectors_that_fp16_would_change_are_refused(feed: Feed) -> None:
    store = CellStore(DIM)
    keys, vectors, sellers, blocks = chunk(feed, np.arange(3))
    vectors[1, 5] = 0.1
    with pytest.raises(ValueError, match=r"rounded to fp16, .* got 0\.1.* in row 1, column 5"):
        store.upsert(keys, vectors, sellers, blocks)
    assert len(store) == 0


def test_only_an_empty_index_is_loaded_and_each_key_once(feed: Feed, tmp_path: Path) -> None:
    store = CellStore(DIM, tmp_path, exact_below=1000)
    with pytest.raises(ValueError, match="each key once"):
        store.load([*chunks(feed, 2000), chunk(feed, [5])])
    assert len(store) == 0
    assert store.load(chunks(feed, 2000)).entries == 2000
    with pytest.raises(ValueError, match="empty and not closed"):
        store.load(chunks(feed, 2000))
    store.close()
    with pytest.raises(ValueError, match="closed"):
        store.load(chunks(feed, 2000))


def test_a_report_counts_blocks_and_cells(feed: Feed) -> None:
    store = CellStore(DIM, exact_below=1000)
    blocks = np.where(np.arange(2000) % 2 == 0, -1, np.arange(2000) % 7).astype(np.int32)
    store.load([chunk(feed, np.arange(2000), None, blocks)])
    report = store.report()
    assert (report.exact, report.entries, report.brandless, report.blocks) == (False, 2000, 1000, 7)
    assert report.largest_block == np.bincount(blocks[blocks >= 0]).max()
    assert report.bytes == store.memory_bytes()
    assert report.cells >= 4 * int(np.sqrt(2000)) - 1
    store.close()


@pytest.mark.parametrize("restarted", [False, True])
def test_vectors_that_drift_out_of_the_range_of_codes_are_found_all_the_same(
    feed: Feed, tmp_path: Path, restarted: bool
) -> None:
    def drifted(keys: Any) -> Rows:
        _, vectors, sellers, blocks = chunk(feed, keys)
        vectors = vectors + 1.5 * np.eye(DIM, dtype=np.float32)[3]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(keys), vectors.astype(np.float16).astype(np.float32), sellers, blocks

    every_cell = Effort(probes=10**6)
    store, flat = CellStore(DIM, tmp_path, exact_below=1000), FlatStore(DIM)
    store.load(chunks(feed, 3000))
    flat.upsert(*chunk(feed, np.arange(3000)))
    near = drifted(np.arange(OFFERS, OFFERS + ASKING))[1]
    cut_off = []
    for start in range(3000, 4000 if restarted else 6000, 100):
        for each in (store, flat):
            each.upsert(*drifted(np.arange(start, start + 50)))
            each.remove(np.arange(start - 3000, start - 2998))
        cut_off.append(store.report().cut_off)
        if start % 300 == 0:
            assert recall(store.search(near, 10, effort=every_cell), flat.search(near, 10)) > 0.98
    assert max(cut_off) > 10
    if restarted:
        store.close()
        store = CellStore(DIM, tmp_path, exact_below=1000)
        keys = flat.keys()
        store.load([flat.entries(keys)])
        assert recall(store.search(near, 10, effort=every_cell), flat.search(near, 10)) > 0.98
    assert store.report().cut_off == 0
    assert_same(store, flat, near)
    store.close()


def test_cells_that_are_much_less_similar_are_left_out_and_others_are_not(feed: Feed) -> None:
    store, flat = CellStore(DIM, exact_below=1000), FlatStore(DIM)
    store.load(chunks(feed, OFFERS))
    flat.upsert(*chunk(feed, np.arange(OFFERS)))
    asked = feed.vectors[OFFERS:].astype(np.float32)
    best = flat.search(asked, 10)
    few = [Effort(probes=5, gap=gap) for gap in (0.0, 0.1, 0.3, 2.0)]
    found = [recall(store.search(asked, 10, effort=effort), best) for effort in few]
    assert found[0] < found[1] < found[2] <= found[3], found

    # How far is measured by the length of a query, so that its scale changes nothing.
    long, short = (store.search(np.float32(scale) * asked, 10, effort=few[1]) for scale in (64, 1))
    assert np.array_equal(long.keys, short.keys)
    store.close()
