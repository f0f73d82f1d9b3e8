"""Filling an empty index from the files of the last run: an entry that has not changed keeps its slot and its cell.

The files are gone on with where they are. They are believed of an entry only if it comes again with the very same
vector; what does not come again leaves them, and what is new or differs is written as in a running index.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from index_store.cells.entries import Entries, EntryFiles
from index_store.cells.incoming import check_once, checked_vectors, incoming, single
from index_store.cells.index import CellIndex
from index_store.cells.loading import Loaded
from index_store.cells.ragged import Numbers
from index_store.halves import Halves
from index_store.store import BlockCodes, HalfRows, Rows, Vectors


class Adopting:
    """Takes all entries first, each key once; `index` is theirs after `finish`."""

    def __init__(self, files: EntryFiles) -> None:
        """Files whose head can be read. Raises `OSError`."""
        head = files.read_head()
        assert head is not None
        count, cells = head
        files.vectors.read_ahead(count)
        entries = Entries(files)
        entries.adopt(count)
        self.index = CellIndex(files, files.centroids.rows[:cells].copy(), files.quantiser, entries)
        self._sound = (entries.cells >= 0) & (entries.cells < cells)
        self._met = np.zeros(count, bool)
        self._kept = np.zeros(count, bool)
        self._others: list[tuple[Rows, Halves]] = []
        self.index.lists.expect(np.bincount(entries.cells[self._sound], minlength=cells))

    def take(self, chunks: Iterable[Rows | HalfRows]) -> None:
        """Put into their cells what is unchanged, and remember the others. Raises `ValueError` for what an upsert
        refuses and for a key that comes twice."""
        entries = self.index.entries
        for keys, vectors, sellers, blocks in incoming(chunks):
            slots = entries.find(keys)
            met = slots[slots >= 0]
            check_once(keys, met=bool(self._met[met].any()))
            self._met[met] = True
            same = slots >= 0
            same[same] = self._sound[met]
            if vectors.shape != (len(keys), self.index.dim):
                checked_vectors(vectors, self.index.dim, len(keys))
            same[same] = self._equal(slots[same], vectors[same])
            at = slots[same]
            self._kept[at] = True
            entries.sellers[at] = sellers[same]
            self._append(at, single(vectors[same]), blocks[same])
            other = ~same
            if other.any():
                singles, halves = checked_vectors(vectors[other], self.index.dim, int(other.sum()))
                self._others.append(((keys[other], singles, sellers[other], blocks[other]), halves))

    def _equal(self, slots: Numbers, vectors: Vectors | Halves) -> npt.NDArray[np.bool_]:
        """bool[n]: are these still the vectors of these slots?"""
        before = self.index.entries.vectors[slots]
        if vectors.dtype == np.float16:
            # Bit by bit, in as few comparisons as the width allows.
            words = np.uint64 if self.index.dim % 4 == 0 else np.uint16
            result: npt.NDArray[np.bool_] = (before.view(words) == vectors.view(words)).all(axis=1)
            return result
        return np.asarray((before == vectors).all(axis=1))

    def _append(self, slots: Numbers, vectors: Vectors, blocks: BlockCodes) -> None:
        index, cells = self.index, self.index.entries.cells[slots].astype(np.int64)
        index.scales.note(slots, vectors, cells)
        index.lists.append(cells, index.scales.now.encode(vectors), slots, blocks, tidy=False)

    def finish(self) -> Loaded:
        """Everything is in its place. Raises `ValueError` for a key that came twice, `OSError` (disk full)."""
        index = self.index
        if len(self._others):
            check_once(np.concatenate([rows[0] for rows, _ in self._others]))
        moved = index.entries.remove(np.flatnonzero(~self._kept))
        index.lists.rename(*moved)
        index.scales.rename(*moved)
        index.lists.tidy()
        index.widen_at_once()
        index.keep_head()
        for (keys, vectors, sellers, blocks), halves in self._others:
            index.upsert(keys, vectors, halves, sellers, blocks)
        return Loaded(len(index), sum(len(halves) for _, halves in self._others))
