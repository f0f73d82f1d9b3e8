"""Searches and writes as they travel: Weaviate's own gRPC messages, without the client's layers above them.

The client spends twice the processor time of a search on what it offers beyond (query builders, typed results), and
repeats a write that failed by itself, which must not be: see docs/decisions/0032-searches-as-messages.md and 0036. The
messages are Weaviate's interface to every client, and come with the client's package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from google.protobuf import struct_pb2
from weaviate.classes.config import ConsistencyLevel
from weaviate.proto.v1 import base_pb2, base_search_pb2, batch_pb2, search_get_pb2

from index_store.store import ANY_BLOCK, NO_BLOCK, NO_SELLER, BlockCodes, Vectors
from index_store.weaviate.found import Found

Near = list[tuple[int, int, float]]
"""(key, generation, inner product as the cluster computed it), best first."""

Asked = tuple[Vectors, int, BlockCodes | None]
"""A query f32[dim], the seller that is left out (or NO_SELLER), and the blocks i32[b] it sees (None: all)."""

_DISTANCE: Final = search_get_pb2.MetadataRequest(distance=True)
_ENTRY: Final = search_get_pb2.PropertiesRequest(non_ref_properties=["entry"])
_SELLER: Final = base_pb2.FilterTarget(property="seller")
_BLOCK: Final = base_pb2.FilterTarget(property="block")
_LEVELS: Final = {
    ConsistencyLevel.ALL: base_pb2.CONSISTENCY_LEVEL_ALL,
    ConsistencyLevel.QUORUM: base_pb2.CONSISTENCY_LEVEL_QUORUM,
}
_ALL: Final = base_pb2.Filters(operator=base_pb2.Filters.OPERATOR_GREATER_THAN_EQUAL, target=_BLOCK, value_int=NO_BLOCK)


def near_request(
    collection: str, query: Vectors, not_seller: int, blocks: BlockCodes | None, count: int, *, filtered: bool
) -> search_get_pb2.SearchRequest:
    """Asks for the nearest `count` objects to f32[dim], among those allowed.

    filtered: with a filter in any case, if need be one that all objects pass.
    """
    chosen = _allowed(not_seller, blocks)
    return search_get_pb2.SearchRequest(
        collection=collection,
        # One replica answers a vector search, whatever the level (docs/decisions/0016-weaviate.md).
        consistency_level=base_pb2.CONSISTENCY_LEVEL_ONE,
        limit=count,
        near_vector=base_search_pb2.NearVector(vector_bytes=query.astype("<f4").tobytes()),
        filters=_ALL if filtered and chosen is None else chosen,
        metadata=_DISTANCE,
        properties=_ENTRY,
        # Without it the answer has the form of 1.22.
        uses_123_api=True,
    )


def near_reply(reply: search_get_pb2.SearchReply) -> Near:
    """The objects of an answer to `near_request`."""
    return [
        (*read_entry(found.properties.non_ref_props.fields["entry"].text_value), -found.metadata.distance)
        for found in reply.results
    ]


def write_request(
    collection: str, ids: Sequence[str], entries: Found, level: ConsistencyLevel
) -> batch_pb2.BatchObjectsRequest:
    """Asks to write an object for each entry; the vectors travel in single precision."""
    vectors = entries.vectors.astype("<f4")
    labels = zip(entries.keys.tolist(), entries.generations.tolist(), strict=True)
    numbers = zip(entries.sellers.tolist(), entries.blocks.tolist(), strict=True)
    return batch_pb2.BatchObjectsRequest(
        objects=[
            batch_pb2.BatchObject(
                uuid=id_,
                collection=collection,
                vector_bytes=vector.tobytes(),
                properties=batch_pb2.BatchObject.Properties(
                    non_ref_properties=struct_pb2.Struct(
                        fields={
                            # Key and generation are text: numbers travel as doubles.
                            "entry": struct_pb2.Value(string_value=f"{key}.{generation}"),
                            "seller": struct_pb2.Value(number_value=seller),
                            "block": struct_pb2.Value(number_value=block),
                        }
                    )
                ),
            )
            for id_, vector, (key, generation), (seller, block) in zip(ids, vectors, labels, numbers, strict=True)
        ],
        consistency_level=_LEVELS[level],
    )


def write_errors(reply: batch_pb2.BatchObjectsReply) -> dict[int, str]:
    """What an answer to `write_request` says of the objects that were not written, by their place in the request."""
    return {each.index: each.error for each in reply.errors}


def read_entry(text: str) -> tuple[int, int]:
    """Key and generation of an object, from its property `entry`."""
    key, _, generation = text.partition(".")
    return int(key), int(generation)


def _allowed(not_seller: int, blocks: BlockCodes | None) -> base_pb2.Filters | None:
    parts = []
    if not_seller != NO_SELLER:
        unequal = base_pb2.Filters.OPERATOR_NOT_EQUAL
        parts.append(base_pb2.Filters(operator=unequal, target=_SELLER, value_int=not_seller))
    if blocks is not None and blocks[0] != ANY_BLOCK:
        codes = base_pb2.IntArray(values=np.unique(np.append(blocks, NO_BLOCK)).tolist())
        among = base_pb2.Filters.OPERATOR_CONTAINS_ANY
        parts.append(base_pb2.Filters(operator=among, target=_BLOCK, value_int_array=codes))
    if len(parts) > 1:
        return base_pb2.Filters(operator=base_pb2.Filters.OPERATOR_AND, filters=parts)
    return parts[0] if parts else None
