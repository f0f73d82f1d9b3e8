"""Milvus Lite: Milvus's interface over segments of a file in this process, a FAISS graph for each."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.index.feed import DIM
from benchmarks.index.rivals.rival import BREADTH, EFFORTS, LINKS, Brands, Keys, Offers, Vectors, package, padded
from index_store.store import NO_BLOCK

_NAME: Final = "offers"
_SEND: Final = 1000


class MilvusLite:
    """A collection in a folder, spoken to by gRPC on loopback as pymilvus does."""

    title = "Milvus Lite"
    settings = f"f32, HNSW for each segment, M {LINKS}, efConstruction {BREADTH}"
    branded = True
    changes = True
    efforts = EFFORTS
    effort = 64

    def __init__(self, folder: Path) -> None:
        self.version = version("milvus-lite")
        milvus = package("pymilvus")
        self._client: Any = milvus.MilvusClient(str(folder / "milvus.db"))
        schema = self._client.create_schema(auto_id=False)
        schema.add_field("key", milvus.DataType.INT64, is_primary=True)
        schema.add_field("brand", milvus.DataType.INT32)
        schema.add_field("vector", milvus.DataType.FLOAT_VECTOR, dim=DIM)
        index = self._client.prepare_index_params()
        graph = {"M": LINKS, "efConstruction": BREADTH}
        index.add_index("vector", index_type="HNSW", metric_type="IP", params=graph)
        self._client.create_collection(_NAME, schema=schema, index_params=index, consistency_level="Strong")

    def build(self, offers: Offers) -> None:
        """See `Rival.build`."""
        for keys, vectors, brands in offers.chunks():
            for start in range(0, len(keys), _SEND):
                part = slice(start, start + _SEND)
                self._client.insert(_NAME, _rows(keys[part], vectors[part], brands[part]))
        self._client.flush(_NAME)
        # Graphs are built in the background, and searches compare with all until then; loading waits for them.
        self._client.release_collection(_NAME)
        self._client.load_collection(_NAME)

    def search(self, queries: Vectors, k: int, brands: Brands | None) -> Keys:
        """See `Rival.search`."""
        if brands is None:
            return padded(self._found(queries, k, ""), k)
        found = []
        for query, brand in zip(queries, brands, strict=True):
            found += self._found(query[None], k, f"brand in [{NO_BLOCK}, {brand}]")
        return padded(found, k)

    def upsert(self, keys: Keys, vectors: Vectors, brands: Brands) -> None:
        """See `Rival.upsert`."""
        self._client.upsert(_NAME, _rows(keys, vectors, brands))

    def remove(self, keys: Keys) -> None:
        """See `Rival.remove`."""
        self._client.delete(_NAME, ids=keys.tolist())

    def processes(self) -> tuple[int, ...]:
        """See `Rival.processes`."""
        return (os.getpid(),)

    def close(self) -> None:
        """See `Rival.close`."""
        self._client.close()

    def _found(self, queries: Vectors, k: int, allowed: str) -> list[list[int]]:
        how = {"metric_type": "IP", "params": {"ef": max(self.effort, k)}}
        answer = self._client.search(_NAME, list(queries), filter=allowed, limit=k, search_params=how)
        return [[hit["key"] for hit in hits] for hits in answer]


def _rows(keys: Keys, vectors: Vectors, brands: Brands) -> list[dict[str, Any]]:
    """As pymilvus wants them."""
    columns = zip(keys.tolist(), vectors, brands.tolist(), strict=True)
    return [{"key": key, "vector": vector, "brand": brand} for key, vector, brand in columns]
