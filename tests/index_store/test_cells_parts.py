"""The parts of the cell index by themselves: the map of keys, the stretches of memory, the lists of codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from index_store.cells import keymap
from index_store.cells.balance import wanted_cells
from index_store.cells.centroids import Centroids
from index_store.cells.codes import ZERO, Quantiser
from index_store.cells.keymap import KeyMap
from index_store.cells.kmeans import unit
from index_store.cells.lists import CellLists
from index_store.cells.segments import Segments
from index_store.cells.training import trained
from tests.examples import examples

some_keys = st.lists(st.integers(0, 40) | st.integers(2**62, 2**63 - 1), unique=True, max_size=12)
steps = st.lists(st.tuples(st.sampled_from(["put", "drop"]), some_keys), max_size=30)


@given(steps=steps, recent=st.sampled_from([0, 3, 65_536]))
@settings(deadline=None)
def test_a_key_map_is_a_dictionary(steps: Any, recent: int) -> None:
    before, keymap._RECENT = keymap._RECENT, recent
    try:
        real, plain, slot = KeyMap(), {}, 0
        for what, keys in steps:
            if what == "put":
                slots = np.arange(slot, slot + len(keys))
                slot += len(keys)
                real.put(np.array(keys, np.int64), slots)
                plain.update(zip(keys, slots.tolist(), strict=True))
            else:
                known = [key for key in keys if key in plain]
                real.drop(np.array(known, np.int64))
                for key in known:
                    del plain[key]
            asked = sorted({*plain, *keys, 7})
            assert real.find(np.array(asked, np.int64)).tolist() == [plain.get(key, -1) for key in asked]
    finally:
        keymap._RECENT = before


def test_a_key_map_takes_twelve_bytes_a_key_and_gives_them_back() -> None:
    real = KeyMap()
    keys = np.random.default_rng(0).permutation(200_000).astype(np.int64)
    for start in range(0, len(keys), 1000):
        real.put(keys[start : start + 1000], np.arange(start, start + 1000))
    assert real.nbytes() == 12 * len(keys)
    real.drop(keys[:150_000])
    assert real.nbytes() < 12 * 80_000
    assert (real.find(keys[150_000:]) == np.arange(150_000, 200_000)).all()


@given(st.lists(st.integers(1, 9) | st.integers(-8, -1), max_size=60))
def test_stretches_never_overlap_and_come_free_again(sizes: list[int]) -> None:
    segments, taken = Segments(), {}
    for size in sizes:
        if size > 0:
            start = segments.take(size)
            rows = set(range(start, start + size))
            assert all(rows.isdisjoint(range(other, other + length)) for other, length in taken.items())
            taken[start] = size
        elif taken:
            start = sorted(taken)[size % len(taken)]
            segments.give(start, taken.pop(start))
        assert segments.end - segments.free_rows() == sum(taken.values())
    for start, size in taken.items():
        segments.give(start, size)
    assert segments.end == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=examples(25), deadline=None)
def test_lists_hold_each_entry_once_in_its_cell_in_order_of_blocks(seed: int) -> None:
    random = np.random.default_rng(seed)
    lists, entries, next_slot = CellLists(16), {}, 0
    lists.add_cells(7)
    for step in range(40):
        if random.random() < 0.55:
            count = int(random.integers(1, 60))
            slots = np.arange(next_slot, next_slot + count)
            next_slot += count
            cells, blocks = random.integers(0, 7, count), random.integers(-1, 5, count).astype(np.int32)
            codes = random.integers(0, 256, (count, 16), dtype=np.uint8)
            lists.append(cells, codes, slots, blocks)
            entries |= dict(zip(slots.tolist(), zip(cells.tolist(), blocks.tolist(), codes, strict=True), strict=True))
        elif entries:
            gone = random.permutation(list(entries))[: random.integers(1, 60)]
            lists.remove(gone, np.array([entries[slot][0] for slot in gone.tolist()]))
            for slot in gone.tolist():
                del entries[slot]
        assert len(lists) == len(entries)
        for cell in range(7) if step % 10 == 9 else ():
            start, plain, ordered, size = (
                int(column[cell]) for column in (lists.start, lists.plain, lists.ordered, lists.size)
            )
            slots, blocks = lists.entries_at(start + np.arange(size))
            alive = slots[slots >= 0]
            assert sorted(alive.tolist()) == sorted(slot for slot, entry in entries.items() if entry[0] == cell)
            assert lists.slots_in(cell).tolist() == alive.tolist()
            assert lists.rows_of(alive).tolist() == (start + np.flatnonzero(slots >= 0)).tolist()
            assert blocks[slots >= 0].tolist() == [entries[slot][1] for slot in alive.tolist()]
            assert lists.blocks_of(alive).tolist() == blocks[slots >= 0].tolist()
            assert (lists.codes[start : start + size][slots < 0] == ZERO).all()
            assert all((lists.codes[lists.rows_of(alive)[i]] == entries[slot][2]).all() for i, slot in enumerate(alive))
            assert (blocks[:plain] == -1).all()
            assert (np.diff(blocks[plain:ordered]) >= 0).all()
            assert (blocks[plain:ordered] >= 0).all()
            for block in range(6):
                first, length = lists.runs(np.array([[cell]]), np.array([[block]], np.int32))
                rows = np.arange(first[0, 0], first[0, 0] + length[0, 0])
                assert rows.tolist() == (start + plain + np.flatnonzero(blocks[plain:ordered] == block)).tolist()
            assert size - ordered + lists.dead[cell] <= size // 12 + 8
            assert size <= lists.room[cell] <= len(alive) + len(alive) // 2 + 40


def test_codes_keep_the_order_of_scores_up_to_a_thousandth() -> None:
    random = np.random.default_rng(3)
    vectors = unit(random.standard_normal((2000, 192)).astype(np.float32) + 0.5)
    quantiser = Quantiser.of(vectors)
    codes = quantiser.encode(vectors).astype(np.float32) - 128
    queries, _ = quantiser.queries(vectors[:50])
    rough = queries @ codes.T
    exact = vectors[:50] @ vectors.T
    for row in range(50):
        scale = np.linalg.norm(vectors[row]) / np.linalg.norm(queries[row]) / quantiser.scale
        error = (rough[row] * scale + vectors[row] @ quantiser.mean) - exact[row]
        assert np.abs(error - error.mean()).max() < 0.008
        assert error.std() < 0.002


@given(st.integers(1, 10**9))
def test_cells_grow_no_larger_than_those_of_a_million(entries: int) -> None:
    assert entries / wanted_cells(entries) <= 251
    assert wanted_cells(entries) <= wanted_cells(entries + entries // 2 + 1)
    assert wanted_cells(entries) >= min(entries, int(4 * np.sqrt(min(entries, 10**6))))


def test_the_nearest_centroid_by_groups_is_nearly_always_the_nearest() -> None:
    random = np.random.default_rng(5)
    middles = unit(random.standard_normal((300, 32)).astype(np.float32))
    vectors = unit(middles[random.integers(0, 300, 20_000)] + 0.1 * random.standard_normal((20_000, 32), np.float32))
    centroids = Centroids(trained(vectors, 1200, seed=0))
    assert _missed(centroids, vectors[:2000]) < 0.004
    assert _overlap(centroids, vectors[:2000]) > 0.9
    for _ in range(400):
        centroids.append(
            unit(random.standard_normal((1, 32)).astype(np.float32))[0], beside=int(random.integers(0, 1200))
        )
    for _ in range(300):
        centroids.drop_last_into(int(random.integers(0, 1000)))
    assert _missed(centroids, vectors[:2000]) < 0.008


def _missed(centroids: Centroids, vectors: Any) -> float:
    """How much nearer the nearest is than the one found, on average; of two that are as near either will do."""
    best, found = (centroids.rows[cells] for cells in (centroids.nearest_exactly(vectors), centroids.nearest(vectors)))
    return float(((best - found) * vectors).sum(axis=1).mean())


def _overlap(centroids: Centroids, vectors: Any) -> float:
    found, best = centroids.ranked(vectors, 8)[0], centroids.ranked_exactly(vectors, 8)[0]
    return float((found[:, :, None] == best[:, None, :]).any(axis=1).mean())


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(-3, 3), min_size=1, max_size=20))
@settings(deadline=None, max_examples=examples(10))
def test_centroids_come_move_and_go_and_are_found_in_their_groups(seed: int, steps: list[int]) -> None:
    random = np.random.default_rng(seed)
    vectors = unit(random.standard_normal((700, 8)).astype(np.float32))
    centroids, plain = Centroids(vectors.copy()), [*vectors]
    for step in steps:
        centroids.nearest(vectors[:1])  # so that the groups are laid out
        cell = int(random.integers(len(plain)))
        for _ in range(abs(step)):
            row = unit(random.standard_normal((1, 8)).astype(np.float32))
            if step > 0:
                assert centroids.append(row[0], beside=cell) == len(plain)
                plain.append(row[0])
            else:
                cell = int(random.integers(len(plain)))
                centroids.drop_last_into(cell)
                plain[cell] = plain[-1]
                del plain[-1]
        moved = random.choice(len(plain), 3, replace=False)
        centroids.replace(moved, vectors[:3])
        for at, row in zip(moved.tolist(), vectors[:3], strict=True):
            plain[at] = row
    assert np.array_equal(centroids.rows, np.array(plain))
    # Each is found under its own number, in the copy that is in order of groups.
    groups, similar = centroids._in_groups(centroids.rows, 10**6, len(plain))
    assert all(sorted(row) == list(range(len(plain))) for row in groups.tolist())
    scores = np.take_along_axis(centroids.rows @ centroids.rows.T, groups, axis=1)
    assert (np.diff(scores, axis=1) <= 0.03).all()
    # How much less similar a cell is than another comes out right, within what codes round off.
    assert np.allclose(similar - similar[:, :1], scores - scores[:, :1], atol=0.03)
