"""What an operator sees of an index: sizes, balance of the cells, and blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index_store.cells.index import CellIndex
from index_store.flat import FlatStore
from index_store.store import NO_BLOCK


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


def report(index: CellIndex | FlatStore) -> CellReport:
    """Counts what there is."""
    if isinstance(index, FlatStore):
        _, _, _, blocks = index.entries(index.keys())
        size, memory = np.zeros(0, np.int64), index.memory_bytes()
    else:
        blocks, size, memory = index.blocks(), index.lists.alive, index.nbytes()
    _, counts = np.unique(blocks[blocks != NO_BLOCK], return_counts=True)
    return CellReport(
        exact=isinstance(index, FlatStore),
        entries=len(index),
        bytes=memory,
        brandless=int((blocks == NO_BLOCK).sum()),
        blocks=len(counts),
        largest_block=int(counts.max(initial=0)),
        cells=len(size),
        cut_off=0 if isinstance(index, FlatStore) else len(index.scales.cut_off),
        empty_cells=int((size == 0).sum()),
        median_cell=float(np.median(size)) if len(size) else 0.0,
        large_cell=float(np.percentile(size, 99)) if len(size) else 0.0,
        largest_cell=int(size.max()) if len(size) else 0,
    )
