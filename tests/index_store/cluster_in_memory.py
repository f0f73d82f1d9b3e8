"""A cluster as the Weaviate store sees it, in memory: replicas that can be away, requests that arrive late.

What it claims of the real one (a search is answered by one replica, a write counts by its level) is what
`test_weaviate_outage.py` shows on three real nodes.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from weaviate.classes.config import ConsistencyLevel

from index_store.store import ANY_BLOCK, NO_BLOCK, NO_SELLER
from index_store.weaviate.errors import WeaviateAway

Stored = dict[tuple[int, int], tuple[int, int, Any]]


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

    def write(self, name: str, level: ConsistencyLevel, change: Callable[[Stored], object]) -> None:
        there = [number for number in range(3) if number not in self.away]
        self.requests.append(change)
        if len(there) < (3 if level == ConsistencyLevel.ALL else 2):
            # Some replicas may have done it all the same.
            for number in there:
                if self.random.random() < 0.5:
                    change(self.collections[name][number])
            raise WeaviateAway(f"{len(there)} of 3 replicas are there")
        for number in there:
            change(self.collections[name][number])

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

    def send(self, entries: Any, level: ConsistencyLevel, deadline: float | None = None) -> None:
        objects = {
            (key, generation): (seller, block, vector.astype(np.float32))
            for key, generation, seller, block, vector in zip(
                entries.keys.tolist(), entries.generations.tolist(), entries.sellers.tolist(),
                entries.blocks.tolist(), entries.vectors, strict=True,
            )
        }  # fmt: skip
        self._replicas.write(self.name, level, lambda stored: stored.update(objects))

    def delete_objects(self, objects: Any, level: ConsistencyLevel, deadline: float | None = None) -> None:
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
            for (key, generation), (seller, block, vector) in stored.items()
            if (not_seller == NO_SELLER or seller != not_seller)
            and (blocks is None or blocks[0] == ANY_BLOCK or block == NO_BLOCK or block in blocks.tolist())
        ]
        self._replicas.random.shuffle(found)
        return sorted(found, key=lambda hit: -hit[2])[:count]
