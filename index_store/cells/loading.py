"""Filling an empty index at once, with cells made for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from index_store.cells.balance import Balancer, wanted_cells
from index_store.cells.codes import Quantiser
from index_store.cells.entries import Entries, EntryFiles
from index_store.cells.incoming import check_once, checked_vectors, incoming
from index_store.cells.index import CellIndex
from index_store.cells.training import trained
from index_store.halves import to_singles
from index_store.store import NO_BLOCK, BlockCodes, HalfRows, Rows, Vectors

_STEP: Final = 16_384
_SAMPLE: Final = 32  # vectors for each cell that the centroids are found from


@dataclass(frozen=True, slots=True)
class Loaded:
    """entries: how many there are now; assigned: how many of them had no cell from the last run"""

    entries: int
    assigned: int


class Loading:
    """Takes all entries first, each key once, and then makes the index of them."""

    def __init__(self, files: EntryFiles, dim: int) -> None:
        self._dim = dim
        self._files = files
        self._entries = Entries(files)
        self._blocks: list[BlockCodes] = []

    def __len__(self) -> int:
        return len(self._entries)

    def take(self, chunks: Iterable[Rows | HalfRows]) -> None:
        """Copy all entries to the files. Raises `ValueError` for what an upsert refuses and for a key that comes
        twice, `OSError` (disk full)."""
        entries = self._entries
        for keys, vectors, sellers, blocks in incoming(chunks):
            _, halves = checked_vectors(vectors, self._dim, len(keys))
            check_once(keys, met=bool((entries.find(keys) >= 0).any()))
            entries.reserve(len(keys))
            entries.write(entries.add(keys), halves, np.full(len(keys), -1), sellers)
            self._blocks.append(blocks.copy())

    def entries(self) -> Iterable[Rows]:
        """All that was taken."""
        entries, start = self._entries, 0
        for blocks in self._blocks:
            part = slice(start, start + len(blocks))
            start = part.stop
            yield (
                entries.keys[part].copy(),
                to_singles(entries.vectors[part]),
                entries.sellers[part].copy(),
                blocks,
            )

    def finish(self, seed: int) -> tuple[CellIndex, Loaded]:
        """The index."""
        entries = self._entries
        centroids, quantiser = self._trained(seed)
        index = CellIndex(self._files, centroids, quantiser, entries)
        for start in range(0, len(entries), _STEP):
            slots = np.arange(start, min(start + _STEP, len(entries)))
            vectors = entries.exact(slots)
            entries.cells[slots] = index.centroids.nearest(vectors)
            index.scales.note(slots, vectors, entries.cells[slots].astype(np.int64))
        self._fill(index)
        index.widen_at_once()
        index.keep_head()
        Balancer(index).settle()
        return index, Loaded(len(entries), len(entries))

    def close(self) -> None:
        """Give up."""
        self._entries.close()

    def _fill(self, index: CellIndex) -> None:
        entries, blocks = self._entries, np.concatenate(self._blocks)
        self._blocks.clear()
        order = np.lexsort((blocks, entries.cells))
        counts = np.bincount(entries.cells, minlength=index.lists.cells)
        plain = np.bincount(entries.cells[blocks == NO_BLOCK], minlength=index.lists.cells)
        parts = (order[start : start + _STEP] for start in range(0, len(order), _STEP))
        index.lists.fill(
            counts, plain, ((index.scales.now.encode(entries.exact(part)), part, blocks[part]) for part in parts)
        )

    def _trained(self, seed: int) -> tuple[Vectors, Quantiser]:
        entries = self._entries
        count = wanted_cells(len(entries))
        random = np.random.default_rng(seed)
        chosen = np.sort(random.choice(len(entries), min(len(entries), _SAMPLE * count), replace=False))
        sample = entries.exact(chosen)
        return trained(sample, count, seed), Quantiser.of(sample)
