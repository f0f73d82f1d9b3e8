"""How a Weaviate cluster is reached, and how it keeps its entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, get_args
from urllib.parse import parse_qs, urlsplit

Compression = Literal["none", "rq", "sq"]
Consistency = Literal["all", "quorum"]

_GRPC_PORT: Final = 50051
_EXPECTED: Final = (
    "http://host:port or https://host:port, with ?grpc_port=N if that is not 50051, and &grpc_host=NAME if that is not "
    "the same host; HTTP and gRPC need ports or hosts of their own"
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One node, or a load balancer in front of several: where it speaks HTTP, and where gRPC."""

    host: str
    port: int
    grpc_host: str
    grpc_port: int
    secure: bool

    def __str__(self) -> str:
        grpc_host = "" if self.grpc_host == self.host else f"&grpc_host={self.grpc_host}"
        scheme = "https" if self.secure else "http"
        return f"{scheme}://{self.host}:{self.port}?grpc_port={self.grpc_port}{grpc_host}"


@dataclass(frozen=True, slots=True)
class WeaviateSettings:
    """Raises `ValueError` for what cannot be.

    url: one address or several, separated by commas; the next one is taken where one does not answer
    shards: parts of the collection, each a graph of its own; 0: as many as the cluster has nodes
    replicas: copies of each part, on nodes of their own
    compression: of the vectors in the cluster's memory: "rq" (8 bits a dimension, rotated), "sq" (8 bits), "none"
    consistency: "all": a write counts when every replica has it, and waits for a replica that is away. "quorum": it
        counts when a majority has it; until the others have it too, this process searches it itself
    ef_construction, connections, ef: of the HNSW graph: effort when adding, links a node, effort of a search
    exact_below: up to so many candidates, a search compares with each of them
    deadline: seconds to wait for a cluster that does not answer, before a call gives up
    searches: how many queries of a batch are under way at once
    """

    url: str
    api_key: str = field(default="", repr=False)
    shards: int = 0
    replicas: int = 1
    compression: Compression = "rq"
    consistency: Consistency = "all"
    ef_construction: int = 128
    connections: int = 32
    ef: int = 128
    exact_below: int = 10_000
    deadline: float = 120.0
    searches: int = 16

    def __post_init__(self) -> None:
        endpoints(self.url)
        least = {"shards": 0, "replicas": 1, "ef_construction": 8, "connections": 4, "ef": 8, "exact_below": 0}
        for name, low in {**least, "searches": 1}.items():
            if getattr(self, name) < low:
                raise ValueError(f"{name} of a Weaviate store must be at least {low}, got {getattr(self, name)}")
        for name, choices in (("compression", get_args(Compression)), ("consistency", get_args(Consistency))):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} of a Weaviate store must be one of {', '.join(choices)}, got {getattr(self, name)!r}"
                )
        if not self.deadline > 0:
            raise ValueError(f"deadline of a Weaviate store must be above 0 seconds, got {self.deadline}")


def endpoints(url: str) -> list[Endpoint]:
    """The addresses in `url`. Raises `ValueError` for one that is none."""
    return [_endpoint(part.strip()) for part in url.split(",")]


def _endpoint(text: str) -> Endpoint:
    try:
        parts = urlsplit(text)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 8080)
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        (grpc_host,) = query.pop("grpc_host", [parts.hostname or ""])
        default = 443 if secure and grpc_host != parts.hostname else _GRPC_PORT
        (grpc_port,) = query.pop("grpc_port", [str(default)])
        if parts.scheme not in ("http", "https") or not parts.hostname or query or parts.path.strip("/"):
            raise ValueError("unknown form")
        if (parts.hostname, port) == (grpc_host, int(grpc_port)):
            raise ValueError("one port for two protocols")
        return Endpoint(parts.hostname, port, grpc_host, int(grpc_port), secure)
    except ValueError:
        raise ValueError(f"the address of a Weaviate node must be {_EXPECTED}, got {text!r}") from None
