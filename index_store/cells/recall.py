"""How much of what is nearest a search finds: some entries are searched for, and compared with all, in small steps.

The index may change between two steps. Entries are visited from the last slot to the first: whoever moves because
another is removed moves to a smaller slot, and is not missed. Of what was found, all that has changed is scored anew
at the end; an entry that got another vector after it was passed by is the only one that can be missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from index_store.cells.blas import one_thread
from index_store.cells.index import CellIndex
from index_store.cells.search import search
from index_store.halves import to_singles
from index_store.scores import inner_products
from index_store.store import ANY_BLOCK, NO_BLOCK, NO_KEY
from index_store.terms import Terms

_ROWS: Final = 1024  # entries compared in one step
_SPARE: Final = 8  # best entries that are kept beyond k, for those that are removed meanwhile


@dataclass(frozen=True, slots=True)
class Probe:
    """recall: share of the k best of `queries` entries that a search found (1.0 for an empty index)"""

    queries: int
    k: int
    recall: float


class RecallScan:
    """One comparison, of entries drawn at random: each is asked for within its own block and the brandless, one of
    no block within all."""

    def __init__(self, index: CellIndex, queries: int, k: int, seed: int) -> None:
        """At least one entry, and no more than there are."""
        self._index = index
        self._k = min(k, len(index))
        chosen = np.random.default_rng(seed).choice(len(index), queries, replace=False)
        blocks = index.lists.blocks_of(chosen)
        self._asked = index.entries.exact(chosen)
        self._terms = Terms.checked(None, np.where(blocks == NO_BLOCK, ANY_BLOCK, blocks)[:, None], queries)
        self._keys = np.full((queries, self._k + _SPARE), NO_KEY, np.int64)
        self._scores = np.full(self._keys.shape, -np.inf, np.float32)
        self._left = len(index)
        self._searched = self._found = self._wanted = 0

    def step(self) -> Probe | None:
        """Some milliseconds of work; the result once all is done."""
        with one_thread():
            self._left = min(self._left, len(self._index))
            if self._left:
                self._compare(max(0, self._left - _ROWS), self._left)
                self._left = max(0, self._left - _ROWS)
                return None
            self._search(self._searched)
            self._searched += 1
        if self._searched < len(self._asked):
            return None
        return Probe(len(self._asked), self._k, self._found / self._wanted if self._wanted else 1.0)

    def _compare(self, first: int, end: int) -> None:
        """Brings the best so far up to date with the slots first … end - 1."""
        entries = self._index.entries
        scores = self._asked @ to_singles(entries.vectors[first:end]).T
        blocks = self._index.lists.blocks_of(np.arange(first, end))
        scores[~self._terms.allow(entries.sellers[None, first:end], blocks[None])] = -np.inf
        keep = self._keys.shape[1]
        for row, (fresh, best, keys) in enumerate(zip(scores, self._scores, self._keys, strict=True)):
            better = np.flatnonzero(fresh > best.min())
            if not len(better):
                continue
            # Whoever moved into a slot that is still to come is met a second time.
            better = better[~np.isin(entries.keys[first + better], keys)]
            together = np.concatenate([best, fresh[better]])
            top = np.argsort(-together, kind="stable")[:keep]
            self._scores[row] = together[top]
            self._keys[row] = np.concatenate([keys, entries.keys[first + better]])[top]

    def _search(self, row: int) -> None:
        """Searches for one of the entries and counts how many of its best are found: by score, of equals any."""
        asked, keys = self._asked[[row]], self._keys[row][self._keys[row] != NO_KEY]
        slots = self._index.entries.find(keys)
        slots = slots[slots >= 0]
        exact = np.sort(inner_products(asked, self._index.entries.vectors[None, slots])[0])[::-1][: self._k]
        if not len(exact):
            return
        found = search(self._index, asked, self._k, self._terms.of(np.array([row])))
        self._wanted += len(exact)
        self._found += min(len(exact), int((found.scores[0] >= exact[-1]).sum()))
