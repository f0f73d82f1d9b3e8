"""A search: the cluster proposes, this side judges and asks for more until what is found is right.

A hit counts only if the directory knows exactly that object as the entry's, and its score is computed here from the
exact vector.
"""

from __future__ import annotations

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
from index_store.weaviate.found import Found, contains
from index_store.weaviate.gate import Gate
from index_store.weaviate.messages import Near
from index_store.weaviate.settings import WeaviateSettings

_SPARE: Final = 1  # one more than asked for shows that nothing lies level with the last; each costs the cluster 7 %


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
        open_, fetch = np.arange(len(queries)), min(k + _SPARE, PAGE)
        while len(open_):
            pages = self._pages(queries, open_, fetch, terms)
            found = self._directory.find(np.array([hit[0] for page in pages for hit in page], np.int64))
            still = []
            for row, page in zip(open_.tolist(), pages, strict=True):
                keys, scores = _judged(queries[row], page, found)
                if near_by is not None:
                    keys, scores = _united(keys, scores, near_by, row)
                order = np.lexsort((keys, -scores))[:k]
                hits.keys[row, : len(order)] = keys[order]
                hits.scores[row, : len(order)] = scores[order]
                if len(page) == fetch and hits.scores[row, -1] <= page[-1][2] + self._bound(queries[row]):
                    still.append(row)
            if fetch == PAGE:
                break
            open_, fetch = np.array(still, np.int64), min(4 * fetch, PAGE)
        return hits

    def _near_by(self, queries: Vectors, k: int, terms: Terms) -> Hits:
        return self._thin.search(queries, k, not_sellers=terms.not_sellers, blocks=terms.blocks)

    def _pages(self, queries: Vectors, rows: npt.NDArray[np.int64], fetch: int, terms: Terms) -> list[Near]:
        exact = len(self._directory) < self._settings.exact_below
        blocks = repeat(None) if terms.blocks is None else terms.blocks[rows]
        asked = list(zip(queries[rows], terms.not_sellers[rows].tolist(), blocks, strict=False))
        with self._gate.searching():
            return self._collection.near(asked, fetch, exact)

    def _bound(self, query: Vectors) -> float:
        length = np.array([np.linalg.norm(query.astype(np.float64))])
        return 2 * float(rounding_bound(len(query), length, self._directory.longest)[0])


def _judged(query: Vectors, page: Near, found: Found) -> tuple[Keys, npt.NDArray[np.float32]]:
    """Of a page of hits, those that are entries: keys and exact scores."""
    keys = np.array([key for key, _, _ in page], np.int64)
    generations = np.array([generation for _, generation, _ in page], np.int64)
    known = np.flatnonzero(contains(found.keys, keys))
    at = np.searchsorted(found.keys, keys[known])
    at = at[found.generations[at] == generations[known]]
    return found.keys[at], inner_products(query[None], found.vectors[None, at])[0]


def _united(
    keys: Keys, scores: npt.NDArray[np.float32], near_by: Hits, row: int
) -> tuple[Keys, npt.NDArray[np.float32]]:
    more = near_by.keys[row] >= 0
    united, first = np.unique(np.concatenate([keys, near_by.keys[row][more]]), return_index=True)
    return united, np.concatenate([scores, near_by.scores[row][more]])[first]
