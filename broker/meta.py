"""What a cluster's data folder remembers between runs: who the cluster is, and where it listens."""

import base64
import os
import uuid
from collections.abc import Sequence
from pathlib import Path

import msgspec

from broker.errors import ClusterRefused
from broker.ports import HOST, free_ports, is_free
from broker.properties import NodeAddress

_FILE = "cluster.json"


class PortTaken(RuntimeError):
    """Somebody else listens on a port that the cluster was told to use."""


class ClusterMeta(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file `cluster.json`: Kafka's cluster id, and each node's two ports in the order of their numbers."""

    cluster_id: str
    ports: tuple[int, ...]
    controller_ports: tuple[int, ...]

    @property
    def addresses(self) -> list[NodeAddress]:
        """Where each node listens; nodes count from 1."""
        pairs = zip(self.ports, self.controller_ports, strict=True)
        return [NodeAddress(number, port, controller) for number, (port, controller) in enumerate(pairs, 1)]


def settle(data_dir: Path, nodes: int, given_ports: Sequence[int] | None) -> ClusterMeta:
    """Decide id and ports for this run, and write them down for the next.

    The last run's ports are taken again where they are free; `given_ports` must be. Call with the folder locked.

    Raises:
        PortTaken: a given port is in use.
        ValueError: the folder belongs to a cluster of another size, or `cluster.json` cannot be read.
    """
    path = data_dir / _FILE
    last = _read(path)
    if last is not None and len(last.ports) != nodes:
        raise ClusterRefused(
            f"{data_dir} holds a cluster of {len(last.ports)} node(s) and cannot be started with {nodes}: "
            "give that number, or another folder"
        )
    if given_ports is not None:
        if taken := [port for port in given_ports if not is_free(port)]:
            raise PortTaken(f"cannot listen on {HOST}, port(s) in use: {', '.join(map(str, taken))}")
        ports = list(given_ports)
    else:
        ports = _again(last.ports if last else (), nodes, avoid=())
    controllers = _again(last.controller_ports if last else (), nodes, avoid=ports)
    meta = ClusterMeta(last.cluster_id if last else _new_cluster_id(), tuple(ports), tuple(controllers))
    draft = path.with_suffix(".tmp")
    with draft.open("wb") as file:
        file.write(msgspec.json.encode(meta) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return meta


def _read(path: Path) -> ClusterMeta | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ClusterMeta)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise ClusterRefused(f"{path} is not what this program writes there: {error}") from error


def _again(last: Sequence[int], count: int, avoid: Sequence[int]) -> list[int]:
    kept = [port if port not in avoid and is_free(port) else None for port in last] or [None] * count
    fresh = iter(free_ports(kept.count(None), avoid=[*avoid, *last]))
    return [next(fresh) if port is None else port for port in kept]


def _new_cluster_id() -> str:
    # Kafka's form of a UUID: URL-safe base64 without padding; a leading dash would look like an option to its tools.
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
