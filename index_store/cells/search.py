"""One search: rough scores choose a shortlist, exact ones order it; where too few are left, it looks further.

A query that may find everything looks into all entries of its nearest cells: many where several are about as near,
as on the border of two or in a crowd of alike offers, and few elsewhere. One that is kept to some blocks looks
at the brandless front of more cells, at the runs of its blocks in them, and at what is not in order yet, of which it
keeps what is allowed. What a query may not find (its own seller's, other blocks') leaves the shortlist; if that leaves
too little, it looks again, wider, and at last at every allowed entry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from index_store.cells.index import CellIndex
from index_store.cells.ragged import Numbers
from index_store.scores import inner_products
from index_store.store import ANY_BLOCK, NO_BLOCK, NO_KEY, BlockCodes, Hits, Vectors
from index_store.terms import Terms

_ROWS: Final = 16_384
_SPARE: Final = 16
_SURE: Final = 4  # a quarter of the cells is looked into, however far they are
_LEAST_SHARE: Final = 1 / 16
_LARGE_CELL: Final = 250  # entries; a million of them lie in cells of this size
_MOST_TIMES: Final = 4


@dataclass(frozen=True, slots=True)
class Effort:
    """How far a search looks, in an index of a million.

    probes: the most cells that a query looks into which may find everything, and kept those of one that is kept to
        blocks; gap, gap_kept: by how much their centroids may be less similar (inner product) to a query of unit
        length than the nearest one; fetch, fetch_kept: entries taken from them by rough score; rank: how many of
        these are scored exactly, if they are allowed
    """

    probes: int = 28
    kept: int = 16
    gap: float = 0.15
    gap_kept: float = 0.12
    fetch: int = 30
    fetch_kept: int = 64
    rank: int = 30

    def for_size(self, entries: int, cells: int) -> Effort:
        """With so many entries in so many cells: more of these where they are small."""
        times = min(_MOST_TIMES, max(1.0, np.sqrt(_LARGE_CELL * cells / max(1, entries))))
        return replace(self, probes=int(self.probes * times), kept=int(self.kept * times))

    def wider(self, times: int) -> Effort:
        """The same, that many times as far, however much less similar the cells are."""
        far = self.fetch * times, self.fetch_kept * times, self.rank * times
        return Effort(self.probes * times, self.kept * times, np.inf, np.inf, *far)

    def for_share(self, brandless: float) -> Effort:
        """With cells whose brandless part is this share of them: the smaller it is, the more of them."""
        times = 1 / np.sqrt(max(brandless, _LEAST_SHARE))
        return replace(self, kept=int(self.kept * times), gap_kept=self.gap_kept * times)

    def for_best(self, k: int) -> Effort:
        """Enough for the k best: three candidates for each."""
        times = -(-3 * k // self.rank)
        return replace(self, fetch=self.fetch * times, fetch_kept=self.fetch_kept * times, rank=self.rank * times)


NORMAL: Final = Effort()
_WIDER: Final = 8


def search(index: CellIndex, queries: Vectors, k: int, terms: Terms, effort: Effort = NORMAL) -> Hits:
    """The k best entries of each query f32[n, dim]; see `IndexStore.search`."""
    hits = Hits(np.full((len(queries), k), NO_KEY, np.int64), np.full((len(queries), k), -np.inf, np.float32))
    effort = effort.for_size(len(index), index.lists.cells)
    if terms.blocks is not None:
        effort = effort.for_share(float(index.lists.plain.sum()) / max(1, len(index)))
    effort = effort.for_best(k)
    open_ = np.arange(len(queries))
    for attempt in (effort, effort.wider(_WIDER)):
        if not len(open_):
            break
        slots = _shortlist(index, queries[open_], terms.of(open_), attempt)
        slots = _with_cut_off(index, queries[open_], terms.of(open_), slots)
        _rank(index, queries[open_], slots, hits, open_)
        # Half as many again as asked for: the k best by rough score are not quite the k best.
        open_ = open_[(slots >= 0).sum(axis=1) < k + k // 2]
    for query in open_.tolist():
        one = np.array([query])
        slots = _all_allowed(index, queries[query], terms.of(one), 2 * k + _SPARE)
        _rank(index, queries[one], slots[None], hits, one)
    return hits


def _shortlist(index: CellIndex, queries: Vectors, terms: Terms, effort: Effort) -> Numbers:
    """i64[n, effort.rank]: slots of allowed entries with the best rough scores, padded with -1."""
    if terms.blocks is None:
        cells = _near_enough(index, queries, effort.probes, effort.gap)
        whole = index.lists.start[cells], np.where(cells >= 0, index.lists.size[cells], 0)
        rows = _nearest(index, queries, cells, whole, effort.fetch)
        return _allowed(index, rows, terms, effort.rank)
    slots = np.full((len(queries), effort.rank), -1, np.int64)
    free = np.flatnonzero(terms.blocks[:, 0] == ANY_BLOCK)
    if len(free):
        slots[free] = _shortlist(index, queries[free], Terms(terms.not_sellers[free], None), effort)
    kept = np.flatnonzero(terms.blocks[:, 0] != ANY_BLOCK)
    if len(kept):
        cells = _near_enough(index, queries[kept], effort.kept, effort.gap_kept)
        parts = _stretches(index, cells, terms.blocks[kept])
        rows = _nearest(index, queries[kept], cells, parts, effort.fetch_kept)
        slots[kept] = _allowed(index, rows, terms.of(kept), effort.rank)
    return slots


def _near_enough(index: CellIndex, queries: Vectors, most: int, gap: float) -> Numbers:
    """i64[n, ≤ most]: the cells to look into, nearest first, padded with -1."""
    cells, behind = index.centroids.ranked(queries, most)
    far = behind > gap * np.linalg.norm(queries, axis=1, keepdims=True)
    far[:, : most // _SURE] = False
    cells[far] = -1
    return cells


def _nearest(index: CellIndex, queries: Vectors, cells: Numbers, parts: tuple[Numbers, Numbers], fetch: int) -> Numbers:
    """i64[n, fetch]: the rows with the best rough scores, best first, padded with -1. parts: first rows and lengths
    i64[n, m * c] of stretches of cells i64[n, c], one for each cell in this order, m times."""
    starts, sizes = parts
    scales, codes = index.scales, index.lists.codes
    rough, _ = scales.now.queries(queries)
    if scales.former is None:
        return index.scanner.nearest(rough, codes, starts, sizes, fetch)[1]
    stale = np.tile(scales.stale[cells], starts.shape[1] // cells.shape[1])
    now, rows = index.scanner.nearest(rough, codes, starts, np.where(stale, 0, sizes), fetch)
    former, more = index.scanner.nearest(rough, codes, starts, np.where(stale, sizes, 0), fetch)
    scores = np.concatenate([now / scales.now.scale, former / scales.former.scale], axis=1)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :fetch]
    return np.take_along_axis(np.concatenate([rows, more], axis=1), best, axis=1)


def _stretches(index: CellIndex, cells: Numbers, blocks: BlockCodes) -> tuple[Numbers, Numbers]:
    """First rows and lengths i64[n, …] of what queries that are kept to blocks i32[n, m] look at in cells i64[n, c]."""
    lists = index.lists
    start, ordered = lists.start[cells], lists.ordered[cells]
    starts, sizes = [start, start + ordered], [lists.plain[cells], lists.size[cells] - ordered]
    for column in range(blocks.shape[1]):
        wanted = blocks[:, column : column + 1]
        again = (blocks[:, :column] == wanted).any(axis=1, keepdims=True)
        first, length = lists.runs(cells, wanted)
        starts.append(first)
        sizes.append(np.where(again | (wanted == NO_BLOCK), 0, length))
    return np.concatenate(starts, axis=1), np.where(np.tile(cells >= 0, len(sizes)), np.concatenate(sizes, axis=1), 0)


def _allowed(index: CellIndex, rows: Numbers, terms: Terms, keep: int) -> Numbers:
    """i64[n, keep]: slots of the best rows that are allowed, padded with -1. Rows are ordered by score."""
    slots, blocks = index.lists.entries_at(np.maximum(rows, 0))
    good = (rows >= 0) & (slots >= 0)
    slots[~good] = 0
    good &= terms.allow(index.entries.sellers[slots], blocks)
    slots[~good] = -1
    if slots.shape[1] > keep:
        order = np.argsort(~good, axis=1, kind="stable")[:, :keep]
        slots = np.take_along_axis(slots, order, axis=1)
    return slots


def _with_cut_off(index: CellIndex, queries: Vectors, terms: Terms, slots: Numbers) -> Numbers:
    """The shortlists i64[n, m], and beside them the best of the entries whose codes are cut off."""
    cut_off = index.scales.cut_off
    if not len(cut_off):
        return slots
    scores = queries @ index.entries.exact(cut_off).T
    scores[~terms.allow(index.entries.sellers[cut_off][None], index.lists.blocks_of(cut_off)[None])] = -np.inf
    keep = min(slots.shape[1], len(cut_off))
    best = np.argpartition(scores, len(cut_off) - keep, axis=1)[:, -keep:]
    more = np.where(np.isfinite(np.take_along_axis(scores, best, axis=1)), cut_off[best], -1)
    return np.concatenate([np.where(np.isin(slots, cut_off), -1, slots), more], axis=1)


def _all_allowed(index: CellIndex, query: npt.NDArray[np.float32], terms: Terms, keep: int) -> Numbers:
    """i64[≤ keep]: slots of the best entries that are allowed, found by looking at all of them."""
    entries = index.entries
    slots = np.flatnonzero(terms.allow(entries.sellers[None], index.blocks()[None])[0])
    if len(slots) <= keep:
        return slots
    scores = np.concatenate([entries.exact(slots[at : at + _ROWS]) @ query for at in range(0, len(slots), _ROWS)])
    return slots[np.argpartition(scores, len(slots) - keep)[-keep:]]


def _rank(index: CellIndex, queries: Vectors, slots: Numbers, hits: Hits, into: Numbers) -> None:
    """Order candidates (i64[n, m] slots, -1 for none) by exact score, then key; the best go `into` rows of hits."""
    missing = slots < 0
    at = np.where(missing, 0, slots)
    scores = inner_products(queries, index.entries.vectors[at])
    keys = index.entries.keys[at]
    scores[missing] = -np.inf
    keys[missing] = NO_KEY
    order = np.lexsort((keys, -scores), axis=-1)[:, : hits.keys.shape[1]]
    hits.scores[into, : order.shape[1]] = np.take_along_axis(scores, order, axis=1)
    hits.keys[into, : order.shape[1]] = np.take_along_axis(keys, order, axis=1)
