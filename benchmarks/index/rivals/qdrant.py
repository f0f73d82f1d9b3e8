"""Qdrant's local mode: Qdrant's interface over NumPy in this process, which compares with every vector."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.index.feed import DIM
from benchmarks.index.rivals.rival import Brands, Keys, Offers, Vectors, package, padded
from index_store.store import NO_BLOCK

_NAME: Final = "offers"


class QdrantLocal:
    """A collection in memory."""

    title = "Qdrant local"
    settings = "f32 in memory, compares with all"
    branded = True
    changes = True
    efforts: tuple[int, ...] = ()
    effort = 0

    def __init__(self, folder: Path) -> None:
        self.version = version("qdrant-client")
        self._models: Any = package("qdrant_client.models")
        self._client: Any = package("qdrant_client").QdrantClient(location=":memory:")
        distance = self._models.Distance.DOT
        self._client.create_collection(_NAME, self._models.VectorParams(size=DIM, distance=distance))

    def build(self, offers: Offers) -> None:
        """See `Rival.build`."""
        for chunk in offers.chunks():
            self.upsert(*chunk)

    def search(self, queries: Vectors, k: int, brands: Brands | None) -> Keys:
        """See `Rival.search`."""
        found = []
        for row, query in enumerate(queries):
            chosen = None if brands is None else self._filter(int(brands[row]))
            answer = self._client.query_points(_NAME, query=query, query_filter=chosen, limit=k, with_payload=False)
            found.append([point.id for point in answer.points])
        return padded(found, k)

    def upsert(self, keys: Keys, vectors: Vectors, brands: Brands) -> None:
        """See `Rival.upsert`."""
        points = [
            self._models.PointStruct(id=key, vector=vector, payload={"brand": brand})
            for key, vector, brand in zip(keys.tolist(), vectors.tolist(), brands.tolist(), strict=True)
        ]
        self._client.upsert(_NAME, points)

    def remove(self, keys: Keys) -> None:
        """See `Rival.remove`."""
        self._client.delete(_NAME, self._models.PointIdsList(points=keys.tolist()))

    def processes(self) -> tuple[int, ...]:
        """See `Rival.processes`."""
        return (os.getpid(),)

    def close(self) -> None:
        """See `Rival.close`."""
        self._client.close()

    def _filter(self, brand: int) -> Any:
        allowed = self._models.MatchAny(any=[NO_BLOCK, brand])
        return self._models.Filter(must=[self._models.FieldCondition(key="brand", match=allowed)])
