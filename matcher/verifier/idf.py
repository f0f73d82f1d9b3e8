"""How telling a word is: inverse document frequencies of training offers, bounded in size, keyed by hash."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from matcher.arrays import AnyArray, F32Array, I64Array
from matcher.verifier.words import HashArray

#: The most frequent words that are kept; what is not in the table is as rare as can be.
MAX_WORDS = 65_536
#: Hashes are spread evenly: by their upper bits a word is found in a few steps instead of a binary search.
_SLOT_BITS = 17


@dataclass(frozen=True, eq=False)
class IdfTable:
    """`words` u32[m] ascending, `counts` u32[m]: in how many of `documents` training offers each occurs (2 or more)."""

    words: HashArray
    counts: HashArray
    documents: int

    def weights(self, words: AnyArray) -> F32Array:
        """f32[n]: log((N + 1) / (count + 0.5)) over that of an unseen word, so from about 0 to 1.

        Words that occur once count as unseen: those are the words of one product, and a new product brings new ones.
        """
        first, ends = self._slots
        place = first[words >> np.uint32(32 - _SLOT_BITS)]
        behind = np.flatnonzero(ends[place] < words)
        while len(behind):
            place[behind] += 1
            behind = behind[ends[place[behind]] < words[behind]]
        return np.where(ends[place] == words, self._weight[place], np.float32(1.0))

    @cached_property
    def _slots(self) -> tuple[I64Array, HashArray]:
        """Where the words of each slot begin, and the words with an end."""
        edges = np.arange(1 << _SLOT_BITS, dtype=np.uint64) << np.uint64(32 - _SLOT_BITS)
        first = np.searchsorted(self.words.astype(np.uint64), edges).astype(np.int64)
        # Nothing is above the end; a word that equals it is unseen, and weighs as much.
        return first, np.append(self.words, np.uint32(0xFFFF_FFFF))

    @cached_property
    def _weight(self) -> F32Array:
        """f32[m + 1]: the weight of every word in the table, and of one that is not."""
        top = math.log((self.documents + 1) / 1.5)
        weights = [math.log((self.documents + 1) / (max(count, 1) + 0.5)) / top for count in self.counts.tolist()]
        return np.asarray(np.clip(np.array([*weights, 1.0]), 0.02, 1.0), np.float32)


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
