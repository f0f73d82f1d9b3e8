"""How entries get onto the cluster's replicas, and how what is no entry any more leaves them.

That a search sees every earlier write rests on where writes go, not on how searches read: Weaviate answers a vector
search from *one* replica of each shard, whatever the consistency level, so a write is done when *all* replicas have it,
in their graphs and not only on disk (a cluster with ASYNC_INDEXING would break this); and "all" is counted by us, since
Weaviate counts only the nodes that it sees at that moment. With `consistency="quorum"` a write may also be done when a
majority has it: what is not known to be everywhere is *thin*, and searched here too, exactly, until it is. A replica
that is away needs no trust when it returns: it cannot have missed what was done at "all", and what it missed at
"quorum" is searched here.

A request that was given up may still be carried out, also after its objects were deleted: those are deleted once more
when that is out of the question, and stay listed as strays until then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from weaviate.classes.config import ConsistencyLevel

from index_store.flat import FlatStore
from index_store.store import BlockCodes, Keys, SellerCodes
from index_store.weaviate.collection import OfferCollection
from index_store.weaviate.directory import Directory
from index_store.weaviate.errors import WeaviateAway
from index_store.weaviate.found import Found, Halves, Objects
from index_store.weaviate.gate import Gate
from index_store.weaviate.settings import WeaviateSettings

_log = logging.getLogger(__name__)
STEP: Final = 1_000
MOST_THIN: Final = 100_000  # entries that are searched here while a replica is away: 80 MB, and 20 ms a query
_SINGLY: Final = 50  # searches wait for so many deletions: a millisecond each
RETRY: Final = 5.0  # seconds until work that can wait is tried again
LATE: Final = 120.0  # seconds after which no request that was given up is carried out any more


class Writer:
    """Directory and cluster, changed together. Methods must not be called at the same time."""

    def __init__(
        self,
        collection: OfferCollection,
        directory: Directory,
        thin: FlatStore,
        settings: WeaviateSettings,
        *,
        gate: Gate,
        clock: Callable[[], float],
    ) -> None:
        """`thin` gets the entries that are not known to be on every replica, also those of the last run. `gate`: what
        searches pass too."""
        self._collection = collection
        self._directory = directory
        self._thin = thin
        self._gate = gate
        self._settings = settings
        self._clock = clock
        self.retry_at = clock()
        """When work that can wait is tried again, as `clock` counts."""
        # What may yet be written though nobody waits for it: until when, and whether it was deleted already. Also what
        # a process before this one has left: it may have ended in the middle of a request.
        self._late = dict.fromkeys(directory.strays(MOST_THIN), clock() + LATE)
        self._deleted: set[tuple[int, int]] = set()
        for found in directory.thin(MOST_THIN).parts(STEP):
            thin.upsert(found.keys, found.vectors.astype(np.float32), found.sellers, found.blocks)

    def replace(self, keys: Keys, vectors: Halves, sellers: SellerCodes, blocks: BlockCodes) -> None:
        """These are the entries with these keys (each once) from now on. Raises `WeaviateAway`, and nothing changed."""
        self._catch_up()
        found, everywhere = self._sent(Found(keys, np.zeros(len(keys), np.int64), sellers, blocks, vectors))
        self._directory.settle(found, np.full(len(keys), not everywhere))
        self._thin.remove(keys)
        if not everywhere:
            self._thin.upsert(keys, vectors.astype(np.float32), sellers, blocks)
        self._sweep()

    def remove(self, keys: Keys) -> int:
        """There are no entries with these keys any more; returns how many there were."""
        count = self._directory.drop(keys)
        self._thin.remove(keys)
        self._catch_up()
        self._sweep()
        return count

    def _sent(self, entries: Found) -> tuple[Found, bool]:
        """The entries as they were written, and whether all replicas have them; if not, a majority has."""
        patient = self._settings.consistency == "all" or len(self._thin) + len(entries.keys) > MOST_THIN
        if patient or self._clock() >= self.retry_at:
            try:
                return self._send(entries, ConsistencyLevel.ALL, None if patient else 0), True
            except WeaviateAway as away:
                if patient:
                    raise
                _log.warning("going on with a majority of Weaviate's replicas: %s", away)
                self.retry_at = self._clock() + RETRY
        return self._send(entries, ConsistencyLevel.QUORUM), False

    def _send(self, entries: Found, level: ConsistencyLevel, deadline: float | None = None) -> Found:
        given_up: set[tuple[int, int]] = set()

        def announce(keys: Keys) -> npt.NDArray[np.int64]:
            generations = self._directory.announce(keys)
            given_up.update(zip(keys.tolist(), generations.tolist(), strict=True))
            return generations

        try:
            found = self._collection.send(entries, level, announce, deadline)
            given_up.difference_update(zip(found.keys.tolist(), found.generations.tolist(), strict=True))
        finally:
            if given_up:
                now = self._clock()
                self._late = {each: until for each, until in self._late.items() if until > now}
                self._late |= dict.fromkeys(given_up, now + LATE)
        return found

    def _catch_up(self) -> None:
        """Bring thin entries to all replicas, as far as these are there now."""
        while len(self._thin) and self._clock() >= self.retry_at:
            try:
                found = self._send(self._directory.thin(STEP), ConsistencyLevel.ALL, 0)
            except WeaviateAway:
                self.retry_at = self._clock() + RETRY
                return
            self._directory.settle(found, np.zeros(len(found.keys), bool))
            self._thin.remove(found.keys)
            if not len(self._thin):
                _log.warning("all of Weaviate's replicas have everything again")

    def _sweep(self) -> None:
        """Delete what is no entry's, between searches, if all replicas are there; it stays listed otherwise."""
        while self._clock() >= self.retry_at and (strays := self._due()):
            begun = self._clock()
            try:
                with self._gate.deleting():
                    left = self._collection.delete_objects(strays, ConsistencyLevel.ALL, 0)
                for start in range(0, len(left), _SINGLY):
                    with self._gate.deleting():
                        self._collection.delete_singly(left[start : start + _SINGLY], ConsistencyLevel.ALL, 0)
            except WeaviateAway:
                self.retry_at = self._clock() + RETRY
                return
            gone = [each for each in strays if self._late.get(each, begun) <= begun]
            self._directory.forget(gone)
            self._deleted.update(strays)
            self._deleted.difference_update(gone)
            for each in gone:
                self._late.pop(each, None)

    def _due(self) -> Objects:
        """Strays that are to be deleted now, some of them for the second time."""
        now = self._clock()
        listed = self._directory.strays(STEP + len(self._deleted))
        return [each for each in listed if each not in self._deleted or self._late.get(each, now) <= now][:STEP]
