"""An `IndexStore` whose searching is done by a Weaviate cluster.

The cluster proposes, this side judges: a hit counts only if the directory knows exactly that object as the entry's, and
its score is computed here from the exact vector. The matcher's order is not touched: one writer, one call at a time.

That a search sees every earlier write rests on where writes go, not on how searches read: Weaviate answers a vector
search from *one* replica of each shard, whatever the consistency level, so a write is done when *all* replicas have it,
in their graphs and not only on disk (a cluster with ASYNC_INDEXING would break this); and "all" is counted by us, since
Weaviate counts only the nodes that it sees at that moment. With `consistency="quorum"` a
write may also be done when a majority has it: what is not known to be everywhere is then searched here too, exactly,
until it is. A replica that is away needs no trust when it returns: it cannot have missed what was done at "all", and
what it missed at "quorum" is searched here.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from weaviate.classes.config import ConsistencyLevel

from index_store.flat import FlatStore
from index_store.scores import inner_products, rounding_bound
from index_store.store import (
    NO_KEY,
    BlockCodes,
    Hits,
    Keys,
    Rows,
    SellerCodes,
    Vectors,
    check_blocks,
    check_dim,
    check_k,
    check_keys,
    check_sellers,
    check_vectors,
    labels_at,
)
from index_store.terms import Terms
from index_store.weaviate.collection import PAGE, Near, OfferCollection
from index_store.weaviate.directory import Directory, Found
from index_store.weaviate.errors import WeaviateAway
from index_store.weaviate.link import Link
from index_store.weaviate.settings import WeaviateSettings

_log = logging.getLogger(__name__)
_SPARE: Final = 8
_STEP: Final = 1_000
_MOST_THIN: Final = 100_000  # entries that are searched here while a replica is away: 80 MB, and 20 ms a query
_RETRY: Final = 5.0  # seconds until work that can wait is tried again


class WeaviateStore:
    """Methods may be called from several threads (one at a time gets in). Vectors must be rounded to fp16.

    Every call that needs the cluster waits for it up to the settings' deadline and then raises `WeaviateAway`; an
    `upsert` that raised has changed nothing, and what it left in the cluster is swept later.
    """

    def __init__(
        self,
        dim: int,
        settings: WeaviateSettings,
        folder: Path | None = None,
        name: str = "Offers",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connects, and makes the collection if it is not there: `name`, with a number of the directory's.

        folder: where the directory of entries lies, for the next run; None: in memory. A cluster that lost the
        collection, or entries of it, is filled by `load` (`len` is 0 until then). Raises `ValueError` unless dim ≥ 1;
        `WeaviateError`, `StateError`.
        """
        self._dim = check_dim(dim)
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._retry_at = clock()
        self._closed = False
        self._temporary = folder is None
        self._directory = Directory(None if folder is None else folder / "weaviate.sqlite", dim)
        self._link = Link(settings, clock)
        self._pool = ThreadPoolExecutor(settings.searches, thread_name_prefix="weaviate-search")
        self._thin = FlatStore(dim)
        try:
            self._collection = self._opened(name)
            for found in _chunks(self._directory.thin(_MOST_THIN)):
                self._thin.upsert(found.keys, found.vectors.astype(np.float32), found.sellers, found.blocks)
        except BaseException:
            self.close()
            raise

    @property
    def dim(self) -> int:
        """Number of dimensions of a vector."""
        return self._dim

    @property
    def collection(self) -> str:
        """Name of the collection in the cluster."""
        return self._collection.name

    @property
    def thin(self) -> int:
        """Number of entries that wait for a replica that is away."""
        return len(self._thin)

    def load(self, chunks: Iterable[Rows]) -> int:
        """Make the index hold exactly these entries, each key once; what it holds already is not sent again.

        Returns how many were sent. Raises what `upsert` raises; what was loaded until then stays.
        """
        seen = []
        sent = 0
        for keys, vectors, sellers, blocks in chunks:
            seen.append(keys)
            with self._lock:
                found = self._directory.find(check_keys(keys))
            at = np.minimum(np.searchsorted(found.keys, keys), max(0, len(found.keys) - 1))
            same = np.zeros(len(keys), bool)
            if len(found.keys):
                same = (found.keys[at] == keys) & (found.sellers[at] == sellers) & (found.blocks[at] == blocks)
                same &= (found.vectors[at].astype(np.float32) == vectors).all(axis=1)
            if not same.all():
                self.upsert(keys[~same], vectors[~same], sellers[~same], blocks[~same])
                sent += int((~same).sum())
        wanted = np.sort(np.concatenate(seen)) if seen else np.zeros(0, np.int64)
        last = -1
        while True:
            with self._lock:
                stored = self._directory.after(last, _STEP).keys
            if not len(stored):
                return sent
            last = int(stored[-1])
            extra = stored[~_contains(wanted, stored)]
            if len(extra):
                self.remove(extra)

    def upsert(self, keys: Keys, vectors: Vectors, sellers: SellerCodes, blocks: BlockCodes | None = None) -> None:
        """See `IndexStore.upsert`."""
        keys = check_keys(keys)
        vectors = check_vectors("vectors", vectors, self._dim, len(keys))
        sellers = check_sellers("sellers", sellers, len(keys))
        blocks = check_blocks(blocks, len(keys))
        halves = vectors.astype(np.float16)
        if not np.array_equal(halves, vectors):
            raise ValueError("vectors must be rounded to fp16, which this index keeps")
        _, last = np.unique(keys[::-1], return_index=True)
        rows = len(keys) - 1 - last
        with self._lock:
            self._check_open()
            self._catch_up()
            self._replace(keys[rows], halves[rows], sellers[rows], blocks[rows])
            self._sweep()

    def remove(self, keys: Keys) -> int:
        """See `IndexStore.remove`. Nothing is found any more when this returns; the cluster's memory is freed as soon
        as all replicas are there."""
        keys = check_keys(keys)
        with self._lock:
            self._check_open()
            count = self._directory.drop(keys)
            self._thin.remove(keys)
            self._catch_up()
            self._sweep()
            return count

    def search(
        self, queries: Vectors, k: int, *, not_sellers: SellerCodes | None = None, blocks: BlockCodes | None = None
    ) -> Hits:
        """See `IndexStore.search`. Exact while there are fewer than `exact_below` allowed entries; then by the
        cluster's graph, whose misses are the only ones: no entry has another score than its exact one."""
        queries = check_vectors("queries", queries, self._dim)
        k = check_k(k)
        terms = Terms.checked(not_sellers, blocks, len(queries))
        hits = Hits(np.full((len(queries), k), NO_KEY, np.int64), np.full((len(queries), k), -np.inf, np.float32))
        with self._lock:
            self._check_open()
            if not len(self._directory):
                return hits
            near_by = self._thin.search(queries, k, not_sellers=not_sellers, blocks=blocks) if self.thin else None
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

    def reconstruct(self, keys: Keys) -> Vectors:
        """See `IndexStore.reconstruct`; from the directory. What the cluster holds is compared by `audit`."""
        keys = check_keys(keys)
        with self._lock:
            self._check_open()
            found = self._directory.find(keys)
        vectors = np.full((len(keys), self._dim), np.nan, np.float32)
        known = _contains(found.keys, keys)
        vectors[known] = found.vectors[np.searchsorted(found.keys, keys[known])]
        return vectors

    def labels(self, keys: Keys) -> tuple[SellerCodes, BlockCodes]:
        """See `IndexStore.labels`; from the directory, as in `reconstruct`."""
        keys = check_keys(keys)
        with self._lock:
            self._check_open()
            found = self._directory.find(keys)
        slots = np.where(_contains(found.keys, keys), np.searchsorted(found.keys, keys), -1)
        return labels_at(slots, found.sellers, found.blocks)

    def audit(self) -> tuple[str, ...]:
        """What is wrong in the cluster, in words; empty if nothing is. Reads all of it, from one replica of each part.

        Raises `WeaviateAway`.
        """
        missing = wrong = 0
        last = -1
        with self._lock:
            self._check_open()
            while len((found := self._directory.after(last, _STEP)).keys):
                last = int(found.keys[-1])
                objects = list(zip(found.keys.tolist(), found.generations.tolist(), strict=True))
                stored = self._collection.stored(objects)
                for row, each in enumerate(objects):
                    if each not in stored:
                        missing += 1
                        continue
                    seller, block, vector = stored[each]
                    good = seller == found.sellers[row] and block == found.blocks[row]
                    wrong += not (good and np.array_equal(vector, found.vectors[row].astype(np.float32)))
            extra = self._collection.count() - len(self._directory) + missing - len(self._directory.strays(10**9))
        named = ((missing, "are missing from"), (wrong, "differ in"), (extra, "are unknown here and lie in"))
        return tuple(f"{count} entries {how} collection {self.collection}" for count, how in named if count > 0)

    def __len__(self) -> int:
        return 0 if self._closed else len(self._directory)

    def memory_bytes(self) -> int:
        """An estimate of what the entries take in the memory of all nodes together: on each replica the vector as it is
        compressed and the links of the graph. This process itself holds next to nothing."""
        vector = {"none": 4 * self._dim, "rq": self._dim + 16, "sq": self._dim + 16}[self._settings.compression]
        return len(self) * self._settings.replicas * (vector + 10 * self._settings.connections)

    def close(self) -> None:
        """See `IndexStore.close`. Collection and directory stay for the next run; without a folder, the collection is
        deleted, since nobody could use it."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._pool.shutdown()
            if self._temporary and hasattr(self, "_collection"):
                with contextlib.suppress(WeaviateAway):
                    self._collection.delete(deadline=0)
            self._link.close()
            self._directory.close()
            self._thin.close()

    def discard(self) -> None:
        """Delete the collection from the cluster, and close. Raises `WeaviateAway`."""
        with self._lock:
            self._check_open()
            self._collection.delete()
            self._directory.start_over()
        self.close()

    def _opened(self, name: str) -> OfferCollection:
        collection = OfferCollection(self._link, f"{name}_{self._directory.incarnation}", self._settings)
        made = collection.create(self._dim)
        # Any one replica is counted, and each has all entries but the thin ones.
        certain = len(self._directory) - len(self._directory.thin(_MOST_THIN).keys)
        if len(self._directory) and (made or collection.count() < certain):
            collection.delete()
            self._directory.start_over()
            collection = OfferCollection(self._link, f"{name}_{self._directory.incarnation}", self._settings)
            collection.create(self._dim)
        return collection

    def _replace(self, keys: Keys, vectors: npt.NDArray[np.float16], sellers: SellerCodes, blocks: BlockCodes) -> None:
        found = Found(keys, self._directory.announce(keys), sellers, blocks, vectors)
        thin = np.full(len(keys), not self._sent_everywhere(found))
        self._directory.settle(found, thin)
        self._thin.remove(keys)
        if thin.any():
            self._thin.upsert(keys, vectors.astype(np.float32), sellers, blocks)

    def _sent_everywhere(self, entries: Found) -> bool:
        """Whether all replicas have the entries; if not, a majority has."""
        patient = self._settings.consistency == "all" or self.thin + len(entries.keys) > _MOST_THIN
        if patient or self._clock() >= self._retry_at:
            try:
                self._collection.send(entries, ConsistencyLevel.ALL, None if patient else 0)
                return True
            except WeaviateAway as away:
                if patient:
                    raise
                _log.warning("going on with a majority of Weaviate's replicas: %s", away)
                self._retry_at = self._clock() + _RETRY
        self._collection.send(entries, ConsistencyLevel.QUORUM)
        return False

    def _catch_up(self) -> None:
        """Bring thin entries to all replicas, as far as these are there now."""
        while self.thin and self._clock() >= self._retry_at:
            found = self._directory.thin(_STEP)
            try:
                self._collection.send(found, ConsistencyLevel.ALL, 0)
            except WeaviateAway:
                self._retry_at = self._clock() + _RETRY
                return
            self._directory.thicken(found.keys)
            self._thin.remove(found.keys)
            if not self.thin:
                _log.warning("all of Weaviate's replicas have everything again")

    def _sweep(self) -> None:
        """Delete what is no entry's, if all replicas are there; it stays listed otherwise."""
        while self._clock() >= self._retry_at and (strays := self._directory.strays(_STEP)):
            try:
                self._collection.delete_objects(strays, ConsistencyLevel.ALL, 0)
            except WeaviateAway:
                self._retry_at = self._clock() + _RETRY
                return
            self._directory.forget(strays)

    def _pages(self, queries: Vectors, rows: npt.NDArray[np.int64], fetch: int, terms: Terms) -> list[Near]:
        exact = len(self._directory) < self._settings.exact_below

        def page(row: int) -> Near:
            blocks = None if terms.blocks is None else terms.blocks[row]
            return self._collection.near(queries[row], fetch, int(terms.not_sellers[row]), blocks, exact)

        return list(self._pool.map(page, rows.tolist()))

    def _bound(self, query: Vectors) -> float:
        length = np.array([np.linalg.norm(query.astype(np.float64))])
        return 2 * float(rounding_bound(self._dim, length, self._directory.longest)[0])

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("this index is closed")


def _judged(query: Vectors, page: Near, found: Found) -> tuple[Keys, npt.NDArray[np.float32]]:
    """Of a page of hits, those that are entries: keys and exact scores."""
    keys = np.array([key for key, _, _ in page], np.int64)
    generations = np.array([generation for _, generation, _ in page], np.int64)
    known = np.flatnonzero(_contains(found.keys, keys))
    at = np.searchsorted(found.keys, keys[known])
    at = at[found.generations[at] == generations[known]]
    return found.keys[at], inner_products(query[None], found.vectors[None, at])[0]


def _united(
    keys: Keys, scores: npt.NDArray[np.float32], near_by: Hits, row: int
) -> tuple[Keys, npt.NDArray[np.float32]]:
    more = near_by.keys[row] >= 0
    united, first = np.unique(np.concatenate([keys, near_by.keys[row][more]]), return_index=True)
    return united, np.concatenate([scores, near_by.scores[row][more]])[first]


def _contains(ordered: Keys, keys: Keys) -> npt.NDArray[np.bool_]:
    """bool[n]: is the key in the ordered array?"""
    if not len(ordered):
        return np.zeros(len(keys), bool)
    there: npt.NDArray[np.bool_] = ordered[np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)] == keys
    return there


def _chunks(found: Found) -> Iterable[Found]:
    for start in range(0, len(found.keys), _STEP):
        part = slice(start, start + _STEP)
        yield Found(
            found.keys[part], found.generations[part], found.sellers[part], found.blocks[part], found.vectors[part]
        )
