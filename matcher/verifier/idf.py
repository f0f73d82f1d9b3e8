"""How telling a word is: inverse document frequencies of training offers, bounded in size, keyed by hash."""

import math
from collections.abc import Iterable

import numpy as np
from msgspec import Struct

from matcher.arrays import AnyArray, F32Array
from matcher.verifier.words import HashArray

#: The most frequent words that are kept; what is not in the table is as rare as can be.
MAX_WORDS = 65_536


class IdfTable(Struct, frozen=True, kw_only=True):
    """`words` u32[m] ascending, `counts` u32[m]: in how many of `documents` training offers each occurs (2 or more)."""

    words: HashArray
    counts: HashArray
    documents: int

    def weights(self, words: AnyArray) -> F32Array:
        """f32[n]: log((N + 1) / (count + 0.5)) over that of an unseen word, so from about 0 to 1.

        Words that occur once count as unseen: those are the words of one product, and a new product brings new ones.
        """
        counts = np.zeros(len(words), np.float64)
        if len(self.words):
            place = np.minimum(np.searchsorted(self.words, words), len(self.words) - 1)
            counts = np.where(self.words[place] == words, self.counts[place], 0).astype(np.float64)
        top = math.log((self.documents + 1) / 1.5)
        weights = np.log((self.documents + 1) / (np.maximum(counts, 1) + 0.5)) / top if top > 0 else np.ones(len(words))
        return np.clip(weights, 0.02, 1.0).astype(np.float32)


def fit_idf(bags: Iterable[HashArray]) -> IdfTable:
    """Counts in how many of the bags (distinct hashes of one offer each) every word occurs."""
    held = list(bags)
    every = np.concatenate(held) if held else np.empty(0, np.uint32)
    words, counts = np.unique(every, return_counts=True)
    words, counts = words[counts >= 2], counts[counts >= 2]
    if len(words) > MAX_WORDS:
        kept = np.sort(np.argsort(-counts, kind="stable")[:MAX_WORDS])
        words, counts = words[kept], counts[kept]
    return IdfTable(words=words.astype(np.uint32), counts=counts.astype(np.uint32), documents=len(held))
