"""A search as it travels: Weaviate's own gRPC messages, written and read without the client's layers above them.

The client spends twice the processor time of a request on what it offers beyond (query builders, typed results): see
docs/decisions/0032-searches-as-messages.md. The messages are Weaviate's interface to every client, and come with the
client's package.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from weaviate.proto.v1 import base_pb2, base_search_pb2, search_get_pb2

from index_store.store import ANY_BLOCK, NO_BLOCK, NO_SELLER, BlockCodes, Vectors

Near = list[tuple[int, int, float]]
"""(key, generation, inner product as the cluster computed it), best first."""

Asked = tuple[Vectors, int, BlockCodes | None]
"""A query f32[dim], the seller that is left out (or NO_SELLER), and the blocks i32[b] it sees (None: all)."""

_DISTANCE: Final = search_get_pb2.MetadataRequest(distance=True)
_ENTRY: Final = search_get_pb2.PropertiesRequest(non_ref_properties=["entry"])
_SELLER: Final = base_pb2.FilterTarget(property="seller")
_BLOCK: Final = base_pb2.FilterTarget(property="block")
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
