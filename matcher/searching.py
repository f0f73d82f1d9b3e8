"""What is nearest to an embedding, of all that state and index hold: in the exact order, ties included."""

from collections.abc import Sequence

import numpy as np

from index_store.state import State
from index_store.store import IndexStore
from matcher.arrays import F32Array, F64Array, I32Array, I64Array
from matcher.brands import BrandTable, searched_blocks
from matcher.deciding.known import Hit, Known, exact_scores
from matcher.events.offer import Offer
from matcher.events.place import Version

#: Fetched beyond the k nearest, so that equal scores at the edge seldom need a second search.
SPARE = 8
#: The same where each hit is an object that a server reads: ten more make a search twice as dear.
SPARE_IN_CLUSTER = 2


class Searching:
    """Asks the index, scores exactly what it finds, and reads from the state whose entries these are."""

    def __init__(self, state: State, index: IndexStore, brands: BrandTable | None, *, spare: int) -> None:
        """`brands`: None where offers are searched whatever their brand. `spare`: see `SPARE`."""
        self._state = state
        self._index = index
        self._brands = brands
        self._spare = spare

    def nearest(
        self, vectors: F32Array, k: int, not_sellers: Sequence[str | None] | None, by_brand: Sequence[Offer] | None
    ) -> Sequence[Sequence[Hit]]:
        """See `matcher.deciding.known.Memory.nearest`."""
        codes = blocks = None
        if not_sellers is not None:
            codes = self._state.seller_codes(not_sellers, create=False)
        if by_brand is not None and self._brands is not None:
            blocks = searched_blocks(self._brands, by_brand)
        rows = self._nearest_keys(vectors, k, codes, blocks)
        keys = np.unique(np.concatenate(rows))
        embeddings = self._index.reconstruct(keys)
        # Removed since they were found, by what is being applied.
        gone = np.isnan(embeddings[:, 0])
        if gone.any():
            rows = [row[~gone[np.searchsorted(keys, row)]] for row in rows]
            keys, embeddings = keys[~gone], embeddings[~gone]
        if not len(keys):
            return [()] * len(vectors)
        places = [np.searchsorted(keys, row) for row in rows]
        scores = [
            exact_scores(vector, embeddings[place])
            for vector, place in zip(vectors.astype(np.float64), places, strict=True)
        ]
        kept = [_best(score, k) for score in scores]
        needed = np.unique(np.concatenate([place[best] for place, best in zip(places, kept, strict=True)]))
        known = dict(zip(needed.tolist(), self._known(keys[needed], embeddings[needed]), strict=True))
        found = []
        for place, score, best in zip(places, scores, kept, strict=True):
            hits = [Hit(known[n], value) for n, value in zip(place[best].tolist(), score[best].tolist(), strict=True)]
            # The index orders equal scores by key, which a rebuild deals anew; versions stay.
            hits.sort(key=lambda hit: (-hit.score, hit.known.version))
            found.append(hits[:k])
        return found

    def _nearest_keys(
        self, vectors: F32Array, k: int, codes: I32Array | None, blocks: I32Array | None
    ) -> list[I64Array]:
        """For each embedding the keys of at least the k nearest, and of all whose score equals that of the k-th."""
        rows: list[I64Array] = [np.empty(0, np.int64)] * len(vectors)
        open_, fetch = np.arange(len(vectors)), k + self._spare
        while len(open_):
            hits = self._index.search(
                vectors[open_],
                fetch,
                not_sellers=None if codes is None else codes[open_],
                blocks=None if blocks is None else blocks[open_],
            )
            for row, keys in zip(open_.tolist(), hits.keys, strict=True):
                rows[row] = keys[keys >= 0]
            tied = (hits.keys[:, -1] >= 0) & (hits.scores[:, -1] == hits.scores[:, k - 1])
            open_, fetch = open_[tied], 4 * fetch
        return rows

    def _known(self, keys: I64Array, embeddings: F32Array) -> list[Known]:
        stored = self._state.rows(keys)
        return [
            Known(
                key=key,
                offer_id=stored[key].offer_id,
                version=Version(*stored[key].version),
                product_id=stored[key].product_id or "",
                vector=vector,
            )
            for key, vector in zip(keys.tolist(), embeddings, strict=True)
        ]


def _best(scores: F64Array, k: int) -> I64Array:
    """Where the k highest scores (f64[n]) are, and all that equal the lowest of these."""
    if len(scores) <= k:
        return np.arange(len(scores))
    return np.flatnonzero(scores >= np.partition(scores, len(scores) - k)[len(scores) - k])
