"""Entries in cells: the one place where slots, lists of codes and centroids are changed together."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import numpy as np

from index_store.cells.centroids import Centroids
from index_store.cells.codes import Quantiser
from index_store.cells.entries import Entries, EntryFiles
from index_store.cells.lists import CellLists
from index_store.cells.ragged import Numbers
from index_store.cells.scales import Scales
from index_store.cells.scan import Scanner
from index_store.cells.sharing import beside
from index_store.halves import Halves
from index_store.store import BlockCodes, Keys, Rows, SellerCodes, Vectors

_STEP: Final = 16_384
_MANY: Final = 32  # entries whose vectors another thread writes


class CellIndex:
    """The live index: a search may read all of it, a write goes through `upsert` and `remove`.

    Keys are without repetition and arguments are checked: that is the store's part.
    """

    def __init__(
        self, files: EntryFiles, centroids: Vectors, quantiser: Quantiser, entries: Entries | None = None
    ) -> None:
        """An empty index, or one of entries that are put into their cells next. centroids: f32[cells ≥ 1, dim] of
        unit length."""
        dim = centroids.shape[1]
        self.entries = Entries(files) if entries is None else entries
        self.lists = CellLists(dim)
        self.lists.add_cells(len(centroids))
        self.scanner = Scanner(dim)
        self.centroids = Centroids(centroids)
        self.scales = Scales(quantiser, len(centroids))
        files.quantiser = quantiser
        self.keep_centroids(np.arange(len(centroids)))

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def dim(self) -> int:
        """Number of dimensions of a vector."""
        return int(self.centroids.rows.shape[1])

    def nbytes(self) -> int:
        """Bytes of memory; the file of exact vectors is not counted, the system gives its pages back when it must."""
        return self.entries.nbytes() + self.lists.nbytes() + self.centroids.nbytes()

    def upsert(self, keys: Keys, vectors: Vectors, halves: Halves, sellers: SellerCodes, blocks: BlockCodes) -> None:
        """Add or replace entries; halves: the vectors again. Raises `OSError` (disk full) before anything is
        changed."""
        slots = self.entries.find(keys)
        new = slots < 0
        self.entries.reserve(int(new.sum()))
        cells = self.centroids.nearest(vectors)
        codes = self.scales.encode(vectors, cells)
        moved = new.copy()
        known = np.flatnonzero(~new)
        at = slots[known]
        before = self.entries.cells[at]
        if new.any():
            slots[new] = self.entries.add(keys[new])
        # Pages of a mapped file that are written for the first time since they went to the disk: the system is slow.
        with beside(partial(self.entries.write, slots, halves, cells, sellers), worth=len(keys) >= _MANY):
            if len(known):
                changes = (before != cells[known]) | (self.lists.blocks_of(at) != blocks[known])
                self.lists.remove(at[changes], before[changes].astype(np.int64))
                self.lists.overwrite(at[~changes], codes[known[~changes]])
                moved[known[changes]] = True
            self.lists.append(cells[moved], codes[moved], slots[moved], blocks[moved])
            self.scales.note(slots, vectors, cells)
        self.keep_head()

    def remove(self, slots: Numbers) -> None:
        """Take out the entries of these slots."""
        self.lists.remove(slots, self.entries.cells[slots].astype(np.int64))
        self.scales.forget(slots)
        old, new = self.entries.remove(slots)
        self.lists.rename(old, new)
        self.scales.rename(old, new)
        self.keep_head()

    def reassign(self, slots: Numbers, cells: Numbers) -> None:
        """Put entries into other cells."""
        codes, blocks = self.lists.codes[self.lists.rows_of(slots)], self.lists.blocks_of(slots)
        if self.scales.former is not None:
            vectors = self.entries.exact(slots)
            codes = self.scales.encode(vectors, cells)
            self.scales.note(slots, vectors, cells)
        self.lists.remove(slots, self.entries.cells[slots].astype(np.int64))
        self.lists.append(cells, codes, slots, blocks)
        self.entries.cells[slots] = cells

    def widen(self) -> None:
        """Begin to give codes a wider range."""
        self.scales.widen(self.entries.exact(self.scales.cut_off))
        self.entries.files.quantiser = self.scales.now

    def renew(self, most: int) -> None:
        """Encode so many stale cells anew."""
        for cell in self.scales.stalest(self.entries.cells[self.scales.cut_off], most):
            slots = self.lists.slots_in(cell)
            vectors = self.entries.exact(slots)
            self.lists.overwrite(slots, self.scales.now.encode(vectors))
            self.scales.renewed(cell)
            self.scales.note(slots, vectors, np.full(len(slots), cell))

    def widen_at_once(self) -> None:
        """Give codes a wider range if that is due: for an index that is not in use yet."""
        if self.scales.due(len(self)):
            self.widen()
            self.renew(self.lists.cells)

    def blocks(self) -> BlockCodes:
        """i32[n]: the block of each slot."""
        return self.lists.blocks_of(np.arange(len(self)))

    def rows(self) -> Iterator[Rows]:
        """All entries, as an index is filled with them."""
        entries = self.entries
        for start in range(0, len(self), _STEP):
            slots = np.arange(start, min(start + _STEP, len(self)))
            yield entries.keys[slots], entries.exact(slots), entries.sellers[slots], self.lists.blocks_of(slots)

    def keep_centroids(self, cells: Numbers) -> None:
        """Bring the file of centroids up to date."""
        files = self.entries.files
        files.centroids.reserve(len(self.centroids))
        files.centroids.rows[cells] = self.centroids.rows[cells]
        self.keep_head()

    def keep_head(self) -> None:
        """Say how much of the files counts."""
        self.entries.files.write_head(len(self.entries), len(self.centroids))

    def close(self) -> None:
        """Give back memory and files."""
        self.lists.close()
        self.entries.close()
