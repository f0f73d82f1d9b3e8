"""A Weaviate server on this machine, or at WEAVIATE_URL, spoken to by its own client: no store of ours."""

from __future__ import annotations

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from benchmarks.index.rivals.rival import BREADTH, EFFORTS, LINKS, Brands, Keys, Offers, Vectors, package, padded
from broker.weaviate.cluster import WeaviateCluster
from index_store.store import NO_BLOCK
from index_store.weaviate.settings import endpoints

_SEND: Final = 1000
_AT_ONCE: Final = 8


class Weaviate:
    """A collection of one shard. It has no searches in batches, so as many threads ask."""

    title = "Weaviate"
    settings = f"one node, f32, M {LINKS}, efConstruction {BREADTH}, {_AT_ONCE} searches at once, gRPC"
    branded = True
    changes = True
    efforts = EFFORTS

    def __init__(self, folder: Path) -> None:
        self._cluster: WeaviateCluster | None = None
        url = os.environ.get("WEAVIATE_URL")
        if not url:
            self._cluster = WeaviateCluster(folder / "weaviate")
            self._cluster.start()
            url = self._cluster.url
        where = endpoints(url)[0]
        self._client: Any = package("weaviate").connect_to_custom(
            http_host=where.host, http_port=where.port, http_secure=where.secure,
            grpc_host=where.host, grpc_port=where.grpc_port, grpc_secure=where.secure,
        )  # fmt: skip
        self.version = f"server {self._client.get_meta()['version']}"
        self._config: Any = package("weaviate.classes.config")
        self._query: Any = package("weaviate.classes.query")
        self._data: Any = package("weaviate.classes.data")
        self._name = f"Bench{uuid.uuid4().hex[:12]}"
        self._effort = 64
        self._offers: Any = self._client.collections.create(
            self._name,
            vector_config=self._config.Configure.Vectors.self_provided(
                vector_index_config=self._config.Configure.VectorIndex.hnsw(
                    distance_metric=self._config.VectorDistances.DOT,
                    ef=self._effort,
                    ef_construction=BREADTH,
                    max_connections=LINKS,
                    filter_strategy=self._config.VectorFilterStrategy.ACORN,
                    # Its default, 8-bit RQ, finds some 0.85 of the ten best here: it scores too few of them exactly.
                    quantizer=self._config.Configure.VectorIndex.Quantizer.none(),
                )
            ),
            properties=[self._config.Property(name="brand", data_type=self._config.DataType.INT)],
        )
        self._threads = ThreadPoolExecutor(_AT_ONCE)

    @property
    def effort(self) -> int:
        """The server's ef, which it takes over within the call."""
        return self._effort

    @effort.setter
    def effort(self, effort: int) -> None:
        graph = self._config.Reconfigure.VectorIndex.hnsw(ef=effort)
        self._offers.config.update(vector_config=self._config.Reconfigure.Vectors.update(vector_index_config=graph))
        self._effort = effort

    def build(self, offers: Offers) -> None:
        """See `Rival.build`."""
        for keys, vectors, brands in offers.chunks():
            for start in range(0, len(keys), _SEND):
                part = slice(start, start + _SEND)
                self.upsert(keys[part], vectors[part], brands[part])

    def search(self, queries: Vectors, k: int, brands: Brands | None) -> Keys:
        """See `Rival.search`."""

        def found(row: int) -> list[int]:
            chosen = None
            if brands is not None:
                chosen = self._query.Filter.by_property("brand").contains_any([NO_BLOCK, int(brands[row])])
            answer = self._offers.query.near_vector(
                queries[row].tolist(), limit=k, filters=chosen, return_properties=[]
            )
            return [each.uuid.int for each in answer.objects]

        return padded(list(self._threads.map(found, range(len(queries)))), k)

    def upsert(self, keys: Keys, vectors: Vectors, brands: Brands) -> None:
        """See `Rival.upsert`."""
        objects = [
            self._data.DataObject({"brand": brand}, _id(key), vector)
            for key, vector, brand in zip(keys.tolist(), vectors.tolist(), brands.tolist(), strict=True)
        ]
        answer = self._offers.data.insert_many(objects)
        if answer.errors:
            raise RuntimeError(f"Weaviate did not take {len(answer.errors)} of {len(objects)} objects")

    def remove(self, keys: Keys) -> None:
        """See `Rival.remove`."""
        ids = [_id(key) for key in keys.tolist()]
        self._offers.data.delete_many(self._query.Filter.by_id().contains_any(ids))

    def processes(self) -> tuple[int, ...]:
        """See `Rival.processes`."""
        return () if self._cluster is None else tuple(self._cluster.pids.values())

    def close(self) -> None:
        """See `Rival.close`."""
        self._threads.shutdown(cancel_futures=True)
        self._client.collections.delete(self._name)
        self._client.close()
        if self._cluster is not None:
            self._cluster.stop()


def _id(key: int) -> str:
    """A key as an id that can be read back."""
    return str(uuid.UUID(int=key))
