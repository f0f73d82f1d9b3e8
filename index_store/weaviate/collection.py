"""One collection of a cluster: how it is made, and the four things that are asked of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
from weaviate.classes.config import ConsistencyLevel
from weaviate.classes.query import Filter
from weaviate.collections import Collection
from weaviate.collections.classes.internal import Object

from index_store.store import Keys, Vectors
from index_store.weaviate.client import Client
from index_store.weaviate.found import Found, Objects
from index_store.weaviate.link import Incomplete, Link
from index_store.weaviate.making import check_collection, make_collection
from index_store.weaviate.messages import (
    Asked,
    Near,
    near_reply,
    near_request,
    read_entry,
    write_errors,
    write_request,
)
from index_store.weaviate.replicas import Replicas
from index_store.weaviate.report import ShardReport
from index_store.weaviate.settings import WeaviateSettings

PAGE: Final = 10_000
"""Most objects in an answer: Weaviate's QUERY_MAXIMUM_RESULTS, unless a cluster was told otherwise."""

_SEND: Final = 1_000
_RESTART: Final = 1.0  # seconds: less than any node takes from its end to its first answer
_NAMESPACE: Final = uuid.UUID("7f0b0d1c-8e39-5b8e-9d5c-6b3a7c1f2e44")


Announce = Callable[[Keys], npt.NDArray[np.int64]]
"""Gives entries the generations i64[n] of objects that are about to be sent."""


class OfferCollection:
    """Objects that are written once. Their ids are UUIDv5 of collection, key and generation, so that a request that
    arrives late does what it did before or what no longer matters."""

    def __init__(self, link: Link, name: str, settings: WeaviateSettings) -> None:
        self._link = link
        self.name = name
        self._settings = settings
        self._replicas = Replicas(name, settings)
        self._objects: dict[ConsistencyLevel, tuple[Client, Collection[dict[str, str | int], None]]] = {}

    def create(self, dim: int) -> bool:
        """Make the collection if it is not there; returns whether it was made.

        Raises `WeaviateAway`, and `WeaviateMismatch` if the one that is there was made with other settings.
        """

        def make(client: Client) -> bool:
            if client.collections.exists(self.name):
                check_collection(client, self.name, self._settings)
                return False
            make_collection(client, self.name, dim, self._settings)
            return True

        return self._link.ask(f"make collection {self.name}", make)

    def delete(self, deadline: float | None = None) -> None:
        """Delete the collection with all that is in it. Raises `WeaviateAway`."""
        self._link.ask(f"delete collection {self.name}", lambda client: client.collections.delete(self.name), deadline)

    def send(self, entries: Found, level: ConsistencyLevel, announce: Announce, deadline: float | None = None) -> Found:
        """Write an object for each entry, and other ones as long as that fails; returns the entries with the
        generations of those that are written, whatever theirs were. Raises `WeaviateAway`.

        See docs/decisions/0036-written-twice-never-resumed.md: a node that is killed in a write may keep the object
        without its place in the graph, and takes the same object for done when it comes again.
        """
        parts = [self._sent(part, level, announce, deadline) for part in entries.parts(_SEND)]
        return replace(entries, generations=np.concatenate([np.zeros(0, np.int64), *parts]))

    def delete_objects(self, objects: Objects, level: ConsistencyLevel, deadline: float | None = None) -> Objects:
        """Delete these objects; returns those that the cluster's index of ids did not name: they are not there, or
        a node that was killed holds a part of them, which `delete_singly` finds. Raises `WeaviateAway`."""
        ids = {self.id_of(*each): each for each in objects}

        def request(client: Client) -> Objects:
            self._replicas.check(client, level)
            result = self._of(client, level).data.delete_many(Filter.by_id().contains_any(list(ids)), verbose=True)
            if result.failed:
                raise Incomplete(f"{result.failed} of {len(ids)} objects were not deleted on {level.value} replicas")
            self._replicas.check(client, level)
            named = {str(each.uuid) for each in result.objects}
            return [each for id_, each in ids.items() if id_ not in named]

        return self._link.ask(f"delete {len(ids)} objects on {level.value} replicas", request, deadline) if ids else []

    def delete_singly(self, objects: Objects, level: ConsistencyLevel, deadline: float | None = None) -> None:
        """Delete these objects, one by one, by what each node holds of them; what is not there is no error. Raises
        `WeaviateAway`."""

        def request(client: Client) -> None:
            self._replicas.check(client, level)
            for each in objects:
                self._of(client, level).data.delete_by_id(self.id_of(*each))
                self._link.heard()
            self._replicas.check(client, level)

        self._link.ask(f"delete {len(objects)} objects one by one on {level.value} replicas", request, deadline)

    def near(self, asked: Sequence[Asked], count: int, exact: bool) -> list[Near]:
        """For each the nearest `count` (at most PAGE) objects among those allowed; fewer if there are no more.

        exact: compare with all allowed objects (the cluster does so up to `exact_below` of them). Raises
        `WeaviateAway`.
        """
        count, most = min(count, PAGE), self._settings.searches
        pages: list[Near] = []

        def request(client: Client) -> None:
            left = asked[len(pages) :]
            # The cluster compares with all of a filter's objects, and walks its graph where there is no filter.
            messages = (near_request(self.name, *each, count, filtered=exact) for each in left)
            for reply in client.replies(messages, most):
                pages.append(near_reply(reply))
                self._link.heard()

        self._link.ask("search", request)
        return pages

    def stored(self, objects: Objects) -> dict[tuple[int, int], tuple[int, int, Vectors]]:
        """What the cluster holds of these objects: seller, block and vector f32[dim]. Raises `WeaviateAway`."""
        ids = [self.id_of(*each) for each in objects]

        def request(client: Client) -> dict[tuple[int, int], tuple[int, int, Vectors]]:
            found = self._of(client, ConsistencyLevel.ONE).query.fetch_objects_by_ids(
                ids, limit=len(ids), include_vector=True
            )
            return {
                _entry(each): (
                    int(each.properties["seller"]),
                    int(each.properties["block"]),
                    np.array(each.vector["default"], np.float32),
                )
                for each in found.objects
            }

        return self._link.ask(f"read {len(ids)} objects", request) if ids else {}

    def findable(self, objects: Objects, query: Vectors) -> set[tuple[int, int]]:
        """Which of these objects a search finds, near `query` or not. Raises `WeaviateAway`."""
        ids = [self.id_of(*each) for each in objects]

        def request(client: Client) -> set[tuple[int, int]]:
            found = self._of(client, ConsistencyLevel.ONE).query.near_vector(
                query.tolist(), filters=Filter.by_id().contains_any(ids), limit=len(ids), return_properties=["entry"]
            )
            return {_entry(each) for each in found.objects}

        return self._link.ask(f"search for {len(ids)} objects", request) if ids else set()

    def count(self) -> int:
        """Number of objects, strays included. Raises `WeaviateAway`."""
        return self._link.ask(
            "count objects", lambda client: client.collections.get(self.name).aggregate.over_all().total_count or 0
        )

    def shards(self) -> tuple[tuple[ShardReport, ...], tuple[str, ...]]:
        """Every replica of every shard, by node and shard, and the names of the nodes that are not healthy. Raises
        `WeaviateAway`."""
        return self._link.ask("look at its shards", self._replicas.report)

    def id_of(self, key: int, generation: int) -> str:
        """UUIDv5 of an object."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.name}/{key}/{generation}"))

    def _sent(
        self, entries: Found, level: ConsistencyLevel, announce: Announce, deadline: float | None
    ) -> npt.NDArray[np.int64]:
        generations = np.zeros(len(entries.keys), np.int64)
        left = np.arange(len(entries.keys))

        def request(client: Client) -> None:
            nonlocal left
            self._replicas.check(client, level)
            generations[left] = announce(entries.keys[left])
            objects = replace(entries.part(left), generations=generations[left])
            ids = [self.id_of(*each) for each in zip(objects.keys, objects.generations, strict=True)]
            errors = write_errors(client.write(write_request(self.name, ids, objects, level)))
            self._make_last(client, ids, objects, level)
            self._replicas.check(client, level)
            if errors:
                left = left[sorted(errors)]
                said = next(iter(errors.values()))
                raise Incomplete(f"{len(left)} objects were not written to {level.value} replicas: {said}")

        self._link.ask(f"write {len(left)} objects to {level.value} replicas", request, deadline)
        return generations

    def _make_last(self, client: Client, ids: Sequence[str], objects: Found, level: ConsistencyLevel) -> None:
        """Have the nodes write down what they answered for: they do so with what comes to the same shards next.

        It costs little, since what is there already is only compared. Raises `Incomplete` where a node may have come
        back without it meanwhile.
        """
        some = 1 if len(self._replicas.shards(client)) == 1 else len(ids)
        begin = time.monotonic()
        errors = write_errors(client.write(write_request(self.name, ids[:some], objects.part(slice(some)), level)))
        if errors:
            raise Incomplete(
                f"{len(ids)} objects may not last on {level.value} replicas: {next(iter(errors.values()))}"
            )
        if time.monotonic() > begin + _RESTART:
            raise Incomplete(f"{len(ids)} objects may not last: a node could have been started again meanwhile")

    def _of(self, client: Client, level: ConsistencyLevel) -> Collection[dict[str, str | int], None]:
        # Making the client's object costs a tenth of what a search costs here.
        known = self._objects.get(level)
        if known is None or known[0] is not client:
            known = client, client.collections.get(self.name).with_consistency_level(level)
            self._objects[level] = known
        return known[1]


def _entry(found: Object[dict[str, str | int], None]) -> tuple[int, int]:
    return read_entry(str(found.properties["entry"]))
