"""What an operator sees of an index in a cluster: its entries here, its objects there, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShardReport:
    """One replica of a shard, as its node tells.

    objects: that it counts; what was written last may not be counted yet. queued: vectors that wait for the graph.
    status: of the graph (`READY`, …). compressed: whether memory holds compressed vectors
    """

    node: str
    shard: str
    objects: int
    queued: int
    status: str
    compressed: bool


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """entries: that count, by the directory; bytes: an estimate of what they take in the memory of all nodes together;
    objects: in the collection, counted once however many replicas there are; strays: objects that may be there and no
    longer count; thin: entries that wait for a replica that is away; away: nodes that are not healthy
    """

    collection: str
    entries: int
    bytes: int
    objects: int
    strays: int
    thin: int
    shards: tuple[ShardReport, ...]
    away: tuple[str, ...]
