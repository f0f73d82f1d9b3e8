"""A cluster as the Weaviate store sees it, in memory: replicas that can be away, requests that arrive late.

What it claims of the real one (a search is answered by one replica, a write counts by its level, a replica that ends
in a write keeps objects that no search finds) is what `test_weaviate_outage.py` and `test_weaviate_kills.py` show.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from weaviate.classes.config import ConsistencyLevel

from index_store.store import ANY_BLOCK, NO_BLOCK, NO_SELLER
from index_store.weaviate.errors import WeaviateAway

Stored = dict[tuple[int, int], tuple[int, int, Any] | None]
"""Seller, block and vector of an object; None where only the object is there, and not its place in the graph."""


class Replicas:
    """Three copies of every collection."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.collections: dict[str, list[Stored]] = {}
        self.away: set[int] = set()
        self.requests: list[Callable[[Stored], object]] = []

    def collection(self, _link: object, name: str, _settings: object) -> "CollectionInMemory":
        """In the place of `OfferCollection`."""
        return CollectionInMemory(self, name)

    def write(
        self,
        name: str,
        level: ConsistencyLevel,
        change: Callable[[Stored], object],
        half: Callable[[Stored], object] = lambda _: None,
    ) -> None:
        """half: what a replica may have done that ended meanwhile."""
        there = [number for number in range(3) if number not in self.away]
        self.requests.append(change)
        if len(there) < (3 if level == ConsistencyLevel.ALL else 2):
            # Some replicas may have done it all the same, or a part of it.
            for copy in self.collections[name]:
                self.random.choice([change, half, lambda _: None])(copy)
            raise WeaviateAway(f"{len(there)} of 3 replicas are there")
        for number, copy in enumerate(self.collections[name]):
            (change if number in there else self.random.choice([half, lambda _: None]))(copy)

    def deliver_late(self) -> None:
        """A request of long ago, done or not, reaches some replicas (again)."""
        if self.requests:
            change = self.random.choice(self.requests)
            for copies in self.collections.values():
                change(self.random.choice(copies))


class CollectionInMemory:
    def __init__(self, replicas: Replicas, name: str) -> None:
        self.name = name
        self._replicas = replicas

    def create(self, _dim: int) -> bool:
        made = self.name not in self._replicas.collections
        self._replicas.collections.setdefault(self.name, [{}, {}, {}])
        return made

    def delete(self, deadline: float | None = None) -> None:
        self._replicas.collections.pop(self.name, None)

    def count(self) -> int:
        return len(self._replicas.random.choice(self._replicas.collections[self.name]))

    def send(self, entries: Any, level: ConsistencyLevel, announce: Any, deadline: float | None = None) -> Any:
        entries = replace(entries, generations=announce(entries.keys))
        objects = {
            (key, generation): (seller, block, vector.astype(np.float32))
            for key, generation, seller, block, vector in zip(
                entries.keys.tolist(), entries.generations.tolist(), entries.sellers.tolist(),
                entries.blocks.tolist(), entries.vectors, strict=True,
            )
        }  # fmt: skip
        # What is there already, whole or not, stays as it is.
        self._replicas.write(
            self.name,
            level,
            lambda stored: stored.update(objects | stored),
            lambda stored: stored.update(dict.fromkeys(objects) | stored),
        )
        return entries

    def delete_objects(self, objects: Any, level: ConsistencyLevel, deadline: float | None = None) -> Any:
        copy = self._replicas.random.choice(self._replicas.collections[self.name])
        named = [each for each in objects if copy.get(each)]
        self.delete_singly(named, level)
        return [each for each in objects if each not in named]

    def delete_singly(self, objects: Any, level: ConsistencyLevel, deadline: float | None = None) -> None:
        self._replicas.write(self.name, level, lambda stored: [stored.pop(each, None) for each in objects])

    def near(self, asked: Any, count: int, exact: bool) -> list[list[tuple[int, int, float]]]:
        return [self._near(*each, count) for each in asked]

    def _near(self, query: Any, not_seller: int, blocks: Any, count: int) -> list[tuple[int, int, float]]:
        there = [number for number in range(3) if number not in self._replicas.away]
        if not there:
            raise WeaviateAway("no replica is there")
        stored = self._replicas.collections[self.name][self._replicas.random.choice(there)]
        found = [
            (key, generation, float(np.float32(query @ vector)))
            for (key, generation), (seller, block, vector) in ((each, at) for each, at in stored.items() if at)
            if (not_seller == NO_SELLER or seller != not_seller)
            and (blocks is None or blocks[0] == ANY_BLOCK or block == NO_BLOCK or block in blocks.tolist())
        ]
        self._replicas.random.shuffle(found)
        return sorted(found, key=lambda hit: -hit[2])[:count]
