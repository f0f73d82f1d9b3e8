"""How a collection is made: its properties, its shards and replicas, its graph and how that keeps vectors in memory."""

from __future__ import annotations

from weaviate import WeaviateClient
from weaviate.classes.config import (
    Configure,
    DataType,
    Property,
    ReplicationDeletionStrategy,
    VectorDistances,
    VectorFilterStrategy,
)
from weaviate.collections.classes.config import RQConfig, SQConfig
from weaviate.collections.classes.config_base import _QuantizerConfigCreate
from weaviate.collections.classes.config_vector_index import _VectorIndexConfigHNSWCreate

from index_store.weaviate.errors import WeaviateMismatch
from index_store.weaviate.settings import Compression, WeaviateSettings


def make_collection(client: WeaviateClient, name: str, dim: int, settings: WeaviateSettings) -> None:
    """Make a collection for vectors of `dim` dimensions that is not there yet. Raises what the client raises."""
    client.collections.create(
        name,
        description=f"offer vectors of {dim} dimensions",
        vector_config=Configure.Vectors.self_provided(vector_index_config=_graph(settings)),
        replication_config=Configure.replication(
            factor=settings.replicas,
            # A replica that was away catches up by itself; nothing of ours waits for that.
            async_enabled=settings.replicas > 1,
            # Ids never come back: what was deleted anywhere is to be deleted everywhere.
            deletion_strategy=ReplicationDeletionStrategy.DELETE_ON_CONFLICT,
        ),
        sharding_config=Configure.sharding(desired_count=settings.shards or None),
        properties=[
            Property(name="entry", data_type=DataType.TEXT, index_filterable=False, index_searchable=False),
            Property(name="seller", data_type=DataType.INT, index_filterable=True),
            Property(name="block", data_type=DataType.INT, index_filterable=True),
        ],
    )


def check_collection(client: WeaviateClient, name: str, settings: WeaviateSettings) -> None:
    """Raises `WeaviateMismatch` where the collection was made with other settings; what the client raises."""
    stored = client.collections.get(name).config.get()
    assert stored.vector_config is not None
    quantizer = getattr(stored.vector_config["default"].vector_index_config, "quantizer", None)
    made = {"replicas": stored.replication_config.factor, "compression": _compression(quantizer)}
    if settings.shards and stored.sharding_config is not None:
        made["shards"] = stored.sharding_config.desired_count
    differing = [
        f"{what} {before}, not {getattr(settings, what)}"
        for what, before in made.items()
        if before != getattr(settings, what)
    ]
    if differing:
        raise WeaviateMismatch(
            f"collection {name} was made with {'; '.join(differing)}, as the settings say: use what it was made with, "
            f"or delete the matcher's weaviate.sqlite, and another collection is made"
        )


def _compression(quantizer: object) -> Compression:
    return "rq" if isinstance(quantizer, RQConfig) else "sq" if isinstance(quantizer, SQConfig) else "none"


def _graph(settings: WeaviateSettings) -> _VectorIndexConfigHNSWCreate:
    return Configure.VectorIndex.hnsw(
        distance_metric=VectorDistances.DOT,
        ef=settings.ef,
        ef_construction=settings.ef_construction,
        max_connections=settings.connections,
        flat_search_cutoff=settings.exact_below,
        filter_strategy=VectorFilterStrategy.ACORN,
        quantizer=_quantizer(settings),
    )


def _quantizer(settings: WeaviateSettings) -> _QuantizerConfigCreate:
    if settings.compression == "rq":
        return Configure.VectorIndex.Quantizer.rq(bits=8)
    if settings.compression == "sq":
        return Configure.VectorIndex.Quantizer.sq()
    return Configure.VectorIndex.Quantizer.none()
