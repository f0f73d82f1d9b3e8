"""The shards of a collection and their replicas: what there is, and whether enough of them are there."""

from __future__ import annotations

from collections import Counter

from weaviate.classes.config import ConsistencyLevel

from index_store.weaviate.client import Client
from index_store.weaviate.link import Incomplete
from index_store.weaviate.report import ShardReport
from index_store.weaviate.settings import WeaviateSettings


class Replicas:
    """Of one collection. Methods are called within a request, and raise what the client raises."""

    def __init__(self, collection: str, settings: WeaviateSettings) -> None:
        self._collection = collection
        self._settings = settings
        self._shards: frozenset[str] = frozenset()

    def shards(self, client: Client) -> frozenset[str]:
        """Names of the shards, which stay those that the collection was made with."""
        if not self._shards:
            config = client.collections.get(self._collection).config
            self._shards = frozenset(shard.name for shard in config.get_shards())
        return self._shards

    def check(self, client: Client, level: ConsistencyLevel) -> None:
        """Raise `Incomplete` unless as many replicas of each shard are there as the level says.

        Weaviate's own levels count only the nodes that the asked one sees at that moment: with one of three gone, ALL
        means the two others. So the nodes are looked at before and after each write.
        """
        if self._settings.replicas == 1:
            return
        nodes = client.cluster.nodes(self._collection, output="verbose")
        healthy = {node.name: node.shards or () for node in nodes if node.status == "HEALTHY"}
        there = Counter(shard.name for shards in healthy.values() for shard in shards)
        needed = self._settings.replicas if level == ConsistencyLevel.ALL else self._settings.replicas // 2 + 1
        for shard in self.shards(client):
            if there[shard] < needed:
                raise Incomplete(
                    f"{there[shard]} of {self._settings.replicas} replicas of shard {shard} are there, {needed} are "
                    f"needed; healthy nodes: {', '.join(sorted(healthy)) or 'none'}"
                )

    def report(self, client: Client) -> tuple[tuple[ShardReport, ...], tuple[str, ...]]:
        """Every replica of every shard, by node and shard, and the names of the nodes that are not healthy."""
        nodes = sorted(client.cluster.nodes(self._collection, output="verbose"), key=lambda node: node.name)
        replicas = (
            ShardReport(
                node=node.name,
                shard=shard.name,
                objects=shard.object_count,
                queued=shard.vector_queue_length,
                status=shard.vector_indexing_status,
                compressed=shard.compressed,
            )
            for node in nodes
            for shard in sorted(node.shards or (), key=lambda shard: shard.name)
        )
        return tuple(replicas), tuple(node.name for node in nodes if node.status != "HEALTHY")
