"""A search: the cluster proposes, this side judges and asks for more until what is found is right.

A hit counts only if the directory knows exactly that object as the entry's, and its score is computed here from the
exact vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Final

import numpy as np
import numpy.typing as npt

from index_store.flat import FlatStore
from index_store.scores import inner_products, rounding_bound
from index_store.store import NO_KEY, Hits, Keys, Vectors
from index_store.terms import Terms
from index_store.weaviate.collection import PAGE, OfferCollection
from index_store.weaviate.directory import Directory
from index_store.weaviate.found import contains
from index_store.weaviate.gate import Gate
from index_store.weaviate.messages import Near
from index_store.weaviate.settings import WeaviateSettings

_SPARE: Final = 1  # one more than asked for shows that nothing lies level with the last; each costs the cluster 7 %

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Proposed:
    """Hits of the cluster for some queries: of each hit the query's row, key and generation, all i64[h]; of each query
    how many there are (i64[n]) and the lowest score, as the cluster computed it (f64[n])."""

    rows: Rows
    keys: Keys
    generations: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    lowest: npt.NDArray[np.float64]

    @classmethod
    def of(cls, rows: Rows, pages: Sequence[Near]) -> Proposed:
        """The hits of these queries."""
        counts = np.array([len(page) for page in pages], np.int64)
        objects = np.array([hit[:2] for page in pages for hit in page], np.int64).reshape(-1, 2)
        lowest = np.array([page[-1][2] if page else -np.inf for page in pages])
        return cls(np.repeat(rows, counts), objects[:, 0], objects[:, 1], counts, lowest)


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Entries found: of each the query's row i64[h], key i64[h] and exact score f32[h]."""

    rows: Rows
    keys: Keys
    scores: npt.NDArray[np.float32]

    def united(self, other: Scored) -> Scored:
        """With those of `other` that are not among these."""
        rows, keys = np.concatenate([self.rows, other.rows]), np.concatenate([self.keys, other.keys])
        order = np.lexsort((keys, rows))
        again = (np.diff(rows[order], prepend=-1) == 0) & (np.diff(keys[order], prepend=-1) == 0)
        first = order[~again]
        return Scored(rows[first], keys[first], np.concatenate([self.scores, other.scores])[first])


class Searcher:
    """Any number of threads may search at once."""

    def __init__(
        self,
        collection: OfferCollection,
        directory: Directory,
        thin: FlatStore,
        settings: WeaviateSettings,
        *,
        gate: Gate,
    ) -> None:
        """`thin`: entries that some replica may lack; they are searched here. `gate`: what deletions pass too."""
        self._collection = collection
        self._directory = directory
        self._thin = thin
        self._gate = gate
        self._settings = settings

    def search(self, queries: Vectors, k: int, terms: Terms) -> Hits:
        """See `IndexStore.search`. Raises `WeaviateAway`."""
        hits = Hits(np.full((len(queries), k), NO_KEY, np.int64), np.full((len(queries), k), -np.inf, np.float32))
        if not len(self._directory):
            return hits
        # First: what is thin now is on every replica when it is thin no more.
        near_by = self._near_by(queries, k, terms) if len(self._thin) else None
        bounds = self._bounds(queries)
        open_, fetch = np.arange(len(queries)), min(k + _SPARE, PAGE)
        while len(open_):
            page = self._pages(queries, open_, fetch, terms)
            judged = self._judged(queries, page)
            _fill(hits, judged if near_by is None else judged.united(_of_rows(near_by, open_)))
            more = (page.counts == fetch) & (hits.scores[open_, -1] <= page.lowest + bounds[open_])
            if fetch == PAGE:
                break
            open_, fetch = open_[more], min(4 * fetch, PAGE)
        return hits

    def _near_by(self, queries: Vectors, k: int, terms: Terms) -> Hits:
        return self._thin.search(queries, k, not_sellers=terms.not_sellers, blocks=terms.blocks)

    def _pages(self, queries: Vectors, rows: Rows, fetch: int, terms: Terms) -> Proposed:
        exact = len(self._directory) < self._settings.exact_below
        blocks = repeat(None) if terms.blocks is None else terms.blocks[rows]
        asked = list(zip(queries[rows], terms.not_sellers[rows].tolist(), blocks, strict=False))
        with self._gate.searching():
            return Proposed.of(rows, self._collection.near(asked, fetch, exact))

    def _judged(self, queries: Vectors, page: Proposed) -> Scored:
        """Of what was proposed, that which are entries, with exact scores."""
        found = self._directory.find(page.keys)
        known = np.flatnonzero(contains(found.keys, page.keys))
        at = np.searchsorted(found.keys, page.keys[known])
        good = found.generations[at] == page.generations[known]
        at, rows = at[good], page.rows[known[good]]
        return Scored(rows, found.keys[at], inner_products(queries[rows], found.vectors[at][:, None])[:, 0])

    def _bounds(self, queries: Vectors) -> npt.NDArray[np.float64]:
        lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
        return 2 * rounding_bound(queries.shape[1], lengths, self._directory.longest)


def _of_rows(hits: Hits, rows: Rows) -> Scored:
    """What was found for some queries."""
    there = hits.keys[rows] >= 0
    return Scored(np.repeat(rows, there.sum(axis=1)), hits.keys[rows][there], hits.scores[rows][there])


def _fill(hits: Hits, scored: Scored) -> None:
    """The best of each row; of equal scores the lower key comes first."""
    k = hits.keys.shape[1]
    order = np.lexsort((scored.keys, -scored.scores, scored.rows))
    rows = scored.rows[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    best = rank < k
    places = rows[best], rank[best]
    hits.keys[places], hits.scores[places] = scored.keys[order][best], scored.scores[order][best]
