"""An `IndexStore` whose searching is done by a Weaviate cluster.

The cluster proposes, this side judges (`searching`); a write is done when all replicas have it, or is searched here
until they do (`writing`). The matcher's order is not touched: one writer, whose next search sees what it wrote.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from index_store.flat import FlatStore
from index_store.store import (
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
from index_store.weaviate import checking
from index_store.weaviate.collection import OfferCollection
from index_store.weaviate.directory import Directory
from index_store.weaviate.errors import WeaviateAway
from index_store.weaviate.found import contains
from index_store.weaviate.gate import Gate
from index_store.weaviate.link import Link
from index_store.weaviate.report import ClusterReport
from index_store.weaviate.searching import Searcher
from index_store.weaviate.settings import WeaviateSettings
from index_store.weaviate.writing import MOST_THIN, Writer


class WeaviateStore:
    """Methods may be called from several threads: one writes at a time, and searches go on meanwhile, which see what
    was written before they began; the cluster deletes between searches. Vectors must be rounded to fp16.

    Every call that needs the cluster waits for it up to the settings' deadline and then raises `WeaviateAway`; an
    `upsert` that raised has changed nothing, and what it left in the cluster is swept later.
    """

    def __init__(
        self,
        dim: int,
        settings: WeaviateSettings,
        folder: Path | None = None,
        name: str = "Offers",
        *,
        clock: Callable[[], float] = time.monotonic,
        on_waiting: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Connects, and makes the collection if it is not there: `name`, with a number of the directory's.

        folder: where the directory of entries lies, for the next run; None: in memory. A cluster that lost the
        collection, or entries of it, is filled by `load` (`len` is 0 until then). on_waiting: is told, from any thread
        and again and again, what the store waits for, and "" when it waits no more. Raises `ValueError` unless dim ≥ 1;
        `WeaviateError`, `StateError`.
        """
        self._dim = check_dim(dim)
        self._settings = settings
        self._writing = threading.RLock()
        self._closed = False
        self._temporary = folder is None
        self._directory = Directory(None if folder is None else folder / "weaviate.sqlite", dim)
        self._link = Link(settings, clock, on_waiting=on_waiting)
        self._thin = FlatStore(dim)
        try:
            self._collection = self._opened(name)
            gate = Gate()
            self._writer = Writer(self._collection, self._directory, self._thin, settings, gate=gate, clock=clock)
            self._searcher = Searcher(self._collection, self._directory, self._thin, settings, gate=gate)
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
        with self._writing:
            self._check_open()
            return checking.load(self, self._directory, chunks)

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
        with self._writing:
            self._check_open()
            self._writer.replace(keys[rows], halves[rows], sellers[rows], blocks[rows])

    def remove(self, keys: Keys) -> int:
        """See `IndexStore.remove`. Nothing is found any more when this returns; the cluster's memory is freed as soon
        as all replicas are there."""
        keys = check_keys(keys)
        with self._writing:
            self._check_open()
            return self._writer.remove(keys)

    def search(
        self, queries: Vectors, k: int, *, not_sellers: SellerCodes | None = None, blocks: BlockCodes | None = None
    ) -> Hits:
        """See `IndexStore.search`. Exact while there are fewer than `exact_below` allowed entries; then by the
        cluster's graph, whose misses are the only ones: no entry has another score than its exact one."""
        queries = check_vectors("queries", queries, self._dim)
        k = check_k(k)
        terms = Terms.checked(not_sellers, blocks, len(queries))
        self._check_open()
        return self._searcher.search(queries, k, terms)

    def reconstruct(self, keys: Keys) -> Vectors:
        """See `IndexStore.reconstruct`; from the directory. What the cluster holds is compared by `audit`."""
        keys = check_keys(keys)
        self._check_open()
        found = self._directory.find(keys)
        vectors = np.full((len(keys), self._dim), np.nan, np.float32)
        known = contains(found.keys, keys)
        vectors[known] = found.vectors[np.searchsorted(found.keys, keys[known])]
        return vectors

    def labels(self, keys: Keys) -> tuple[SellerCodes, BlockCodes]:
        """See `IndexStore.labels`; from the directory, as in `reconstruct`."""
        keys = check_keys(keys)
        self._check_open()
        found = self._directory.find(keys)
        slots = np.where(contains(found.keys, keys), np.searchsorted(found.keys, keys), -1)
        return labels_at(slots, found.sellers, found.blocks)

    def audit(self) -> tuple[str, ...]:
        """What is wrong in the cluster, in words; empty if nothing is. Reads all of it, from one replica of each part.

        Raises `WeaviateAway`.
        """
        with self._writing:
            self._check_open()
            return checking.audit(self._collection, self._directory, self._settings.exact_below)

    def report(self) -> ClusterReport:
        """Sizes here and in the cluster, as `offermatch index inspect` shows them. Raises `WeaviateAway`."""
        with self._writing:
            self._check_open()
            shards, away = self._collection.shards()
            return ClusterReport(
                collection=self._collection.name,
                entries=len(self),
                bytes=self.memory_bytes(),
                objects=self._collection.count(),
                strays=len(self._directory.strays(10**9)),
                thin=self.thin,
                shards=shards,
                away=away,
            )

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
        with self._writing:
            if self._closed:
                return
            self._closed = True
            if self._temporary and hasattr(self, "_collection"):
                with contextlib.suppress(WeaviateAway):
                    self._collection.delete(deadline=0)
            self._link.close()
            self._directory.close()
            self._thin.close()

    def discard(self) -> None:
        """Delete the collection from the cluster, and close. Raises `WeaviateAway`."""
        with self._writing:
            self._check_open()
            self._collection.delete()
            self._directory.start_over()
        self.close()

    def _opened(self, name: str) -> OfferCollection:
        collection = OfferCollection(self._link, f"{name}_{self._directory.incarnation}", self._settings)
        made = collection.create(self._dim)
        # Any one replica is counted, and each has all entries but the thin ones.
        certain = len(self._directory) - len(self._directory.thin(MOST_THIN).keys)
        if len(self._directory) and (made or collection.count() < certain):
            collection.delete()
            self._directory.start_over()
            collection = OfferCollection(self._link, f"{name}_{self._directory.incarnation}", self._settings)
            collection.create(self._dim)
        return collection

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("this index is closed")
