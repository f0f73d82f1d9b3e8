"""What an operator sees of an index: sizes, balance of the cells, blocks, and how much an approximate search misses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from index_store.cells.index import CellIndex
from index_store.cells.search import search
from index_store.flat import FlatStore
from index_store.store import NO_BLOCK, Vectors
from index_store.terms import Terms

_ROWS: Final = 16_384


@dataclass(frozen=True, slots=True)
class CellReport:
    """exact: whether every search compares with every entry; then there are no cells.

    entries, bytes: number, and bytes of memory; brandless: entries of no block; blocks: how many there are, and
    largest_block the entries of the largest; cells: how many, with the entries of the median, 99th percentile and
    largest of them, and how many are empty; cut_off: entries outside the range of codes, which
    every search looks at exactly
    """

    exact: bool
    entries: int
    bytes: int
    brandless: int
    blocks: int
    largest_block: int
    cells: int
    cut_off: int
    empty_cells: int
    median_cell: float
    large_cell: float
    largest_cell: int


@dataclass(frozen=True, slots=True)
class Probe:
    """recall: share of the k best of `queries` entries that a search found (1.0 for an empty index)"""

    queries: int
    k: int
    recall: float


def report(index: CellIndex | FlatStore) -> CellReport:
    """Counts what there is."""
    if isinstance(index, FlatStore):
        _, _, _, blocks = index.entries(index.keys())
        size, memory = np.zeros(0, np.int64), index.memory_bytes()
    else:
        blocks, size, memory = index.blocks(), index.lists.alive, index.nbytes()
    counts = np.bincount(blocks[blocks != NO_BLOCK]) if (blocks != NO_BLOCK).any() else np.zeros(1, np.int64)
    return CellReport(
        exact=isinstance(index, FlatStore),
        entries=len(index),
        bytes=memory,
        brandless=int((blocks == NO_BLOCK).sum()),
        blocks=int((counts > 0).sum()),
        largest_block=int(counts.max()),
        cells=len(size),
        cut_off=0 if isinstance(index, FlatStore) else len(index.scales.cut_off),
        empty_cells=int((size == 0).sum()),
        median_cell=float(np.median(size)) if len(size) else 0.0,
        large_cell=float(np.percentile(size, 99)) if len(size) else 0.0,
        largest_cell=int(size.max()) if len(size) else 0,
    )


def probe(index: CellIndex | FlatStore, queries: int, k: int, seed: int) -> Probe:
    """Asks with entries drawn at random. An entry counts as found if another of the very same score is."""
    queries = min(queries, len(index))
    if isinstance(index, FlatStore) or not queries:
        return Probe(queries, k, 1.0)
    k = min(k, len(index))
    chosen = np.random.default_rng(seed).choice(len(index), queries, replace=False)
    asked = index.entries.exact(chosen)
    found = search(index, asked, k, Terms.checked(None, None, queries))
    least = exact_kth(index, asked, k)
    # Scores of the scan are in single precision: what is within its rounding of the k-th is as good.
    return Probe(queries, k, float((found.scores >= least[:, None] - 1e-6).mean()))


def exact_kth(index: CellIndex, queries: Vectors, k: int) -> Vectors:
    """f32[n]: the k-th best score of each query among all entries, by comparing with every one."""
    best = np.full((len(queries), k), -np.inf, np.float32)
    for start in range(0, len(index), _ROWS):
        rows = index.entries.vectors[start : start + _ROWS].astype(np.float32)
        scores = np.concatenate([best, queries @ rows.T], axis=1)
        best = -np.partition(-scores, k - 1, axis=1)[:, :k]
    result: Vectors = best.min(axis=1)
    return result
