"""Directory and cluster held against what they should hold: filled at the start, audited on request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from index_store.store import BlockCodes, Keys, Rows, SellerCodes, Vectors, check_keys
from index_store.weaviate.collection import OfferCollection
from index_store.weaviate.directory import Directory
from index_store.weaviate.found import Found, contains
from index_store.weaviate.writing import STEP


class _Store(Protocol):
    def upsert(self, keys: Keys, vectors: Vectors, sellers: SellerCodes, blocks: BlockCodes | None = None) -> None: ...

    def remove(self, keys: Keys) -> int: ...


def load(store: _Store, directory: Directory, chunks: Iterable[Rows]) -> int:
    """Make the store, whose directory this is, hold exactly the entries in `chunks`; returns how many were sent."""
    seen = []
    sent = 0
    for keys, vectors, sellers, blocks in chunks:
        seen.append(keys)
        changed = ~_same(directory.find(check_keys(keys)), keys, vectors, sellers, blocks)
        if changed.any():
            store.upsert(keys[changed], vectors[changed], sellers[changed], blocks[changed])
            sent += int(changed.sum())
    wanted = np.sort(np.concatenate(seen)) if seen else np.zeros(0, np.int64)
    last = -1
    while len(stored := directory.after(last, STEP).keys):
        last = int(stored[-1])
        extra = stored[~contains(wanted, stored)]
        if len(extra):
            store.remove(extra)
    return sent


def _same(
    found: Found, keys: Keys, vectors: Vectors, sellers: SellerCodes, blocks: BlockCodes
) -> npt.NDArray[np.bool_]:
    """bool[n]: is the entry there just so?"""
    if not len(found.keys):
        return np.zeros(len(keys), bool)
    at = np.minimum(np.searchsorted(found.keys, keys), len(found.keys) - 1)
    same: npt.NDArray[np.bool_] = found.keys[at] == keys
    same &= (found.sellers[at] == sellers) & (found.blocks[at] == blocks)
    same &= (found.vectors[at].astype(np.float32) == vectors).all(axis=1)
    return same


def audit(collection: OfferCollection, directory: Directory, exact_below: int) -> tuple[str, ...]:
    """What is wrong in the cluster, in words; empty if nothing is. Reads and searches all of it. Raises `WeaviateAway`.

    exact_below: of the settings. Whether a search finds an entry is asked where it is compared with so many.
    """
    missing = wrong = hidden = 0
    last, step = -1, min(STEP, max(1, exact_below // 2))
    while len((found := directory.after(last, step)).keys):
        last = int(found.keys[-1])
        objects = list(zip(found.keys.tolist(), found.generations.tolist(), strict=True))
        stored = collection.stored(objects)
        if step < exact_below:
            hidden += len(stored.keys() - collection.findable(objects, found.vectors[0].astype(np.float32)))
        for row, each in enumerate(objects):
            if each not in stored:
                missing += 1
                continue
            seller, block, vector = stored[each]
            good = seller == found.sellers[row] and block == found.blocks[row]
            wrong += not (good and np.array_equal(vector, found.vectors[row].astype(np.float32)))
    strays = directory.strays(10**9)
    known = sum(len(collection.stored(strays[at : at + STEP])) for at in range(0, len(strays), STEP))
    extra = collection.count() - len(directory) + missing - known
    named = (
        (missing, "are missing from"),
        (wrong, "differ in"),
        (hidden, "are found by no search in"),
        (extra, "are unknown here and lie in"),
    )
    return tuple(f"{count} entries {how} collection {collection.name}" for count, how in named if count > 0)
