"""A Weaviate cluster of one or more nodes on this machine, in one folder."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import msgspec

from broker.errors import ClusterRefused
from broker.lock import FolderLock
from broker.ports import free_ports, is_free
from broker.weaviate.binary import ensure_server
from broker.weaviate.node import NodePorts, WeaviateNode

_FILE = "weaviate.json"
_POLL_SECONDS = 0.1
_ORPHANS_SECONDS = 15.0


class NotReady(RuntimeError):
    """The cluster did not serve requests in time; the message ends with the nodes' logs."""


class WeaviateCluster:
    """Nodes count from 1. All of them end with this process, however it ends."""

    def __init__(self, data_dir: Path, nodes: int = 1, server: Path | None = None) -> None:
        """server: the program; None: see `ensure_server`. Raises `ClusterRefused` for an even number of nodes."""
        if nodes < 1 or nodes % 2 == 0:
            raise ClusterRefused(f"a cluster needs an odd number of nodes for its majorities, not {nodes}")
        self.data_dir = data_dir.absolute()
        self._count = nodes
        self._server = server
        self._lock = FolderLock(self.data_dir)
        self._nodes: list[WeaviateNode] = []

    @property
    def url(self) -> str:
        """The addresses of all nodes, separated by commas. Known from `start` on."""
        if not self._nodes:
            raise RuntimeError("the cluster's address is known only after start()")
        return ",".join(node.url for node in self._nodes)

    @property
    def pids(self) -> dict[int, int]:
        """Process ids of the nodes that should be running, by node number."""
        return {node.number: node.pid for node in self._nodes if node.pid is not None}

    def start(self, timeout: float = 120.0) -> None:
        """Start all nodes and return when each is ready; building the server does not count towards `timeout` seconds.

        Raises `ServerMissing`, `FolderInUse`, `ClusterRefused` for a folder of another cluster, `NodeDied`, `NotReady`;
        nothing is left running then.
        """
        self._server = self._server or ensure_server()
        deadline = time.monotonic() + timeout
        self._lock.acquire(timeout=0.0, orphan_timeout=_ORPHANS_SECONDS)
        try:
            self._nodes = [
                WeaviateNode(number, self.data_dir / f"node-{number}", ports)
                for number, ports in enumerate(self._ports(), 1)
            ]
            for node in self._nodes:
                node.start(self._server, self._nodes, self._lock.fd)
                self._wait(node.joinable, deadline)
            self._wait(lambda: all(each.ready() for each in self._nodes), deadline)
        except BaseException:
            self.kill_all()
            raise

    def stop(self, timeout: float = 20.0) -> bool:
        """Stop all nodes within `timeout` seconds, killing what is left by then; whether all stopped by themselves."""
        deadline = time.monotonic() + timeout
        clean = [node.stop(max(0.0, deadline - time.monotonic())) for node in self._nodes]
        self.kill_all()
        return all(clean)

    def kill_all(self) -> None:
        """End every node at once and give the folder back."""
        for node in self._nodes:
            node.kill()
        self._lock.release()

    def check(self) -> None:
        """Raise NodeDied if a node that should be running has ended by itself."""
        for node in self._nodes:
            node.check()

    def node(self, number: int) -> WeaviateNode:
        """One node, to kill it for example. Raises `ClusterRefused` if there is none of this number."""
        if not 1 <= number <= len(self._nodes):
            raise ClusterRefused(f"there is no node {number}; there are {[node.number for node in self._nodes]}")
        return self._nodes[number - 1]

    def start_node(self, number: int, timeout: float = 120.0) -> None:
        """Start one stopped node on its data and return when it is ready. Raises `NodeDied`, `NotReady`."""
        assert self._server is not None, "start() the cluster first"
        node = self.node(number)
        node.start(self._server, self._nodes, self._lock.fd)
        self._wait(node.ready, time.monotonic() + timeout)

    def __enter__(self) -> "WeaviateCluster":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _wait(self, condition: Callable[[], bool], deadline: float) -> None:
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                tails = "\n".join(node.log_tail() for node in self._nodes)
                raise NotReady(f"Weaviate in {self.data_dir} did not become ready in time. {tails}")
            time.sleep(_POLL_SECONDS)

    def _ports(self) -> list[NodePorts]:
        """Those of the last run: nodes remember each other by their ports."""
        path = self.data_dir / _FILE
        if path.exists():
            try:
                ports = msgspec.json.decode(path.read_bytes(), type=list[NodePorts])
            except msgspec.MsgspecError as error:
                raise ClusterRefused(f"{path} is not what this program writes there: {error}") from error
            if len(ports) != self._count:
                raise ClusterRefused(f"{self.data_dir} holds a cluster of {len(ports)} node(s), not {self._count}")
            return ports
        fresh = _fresh_ports(self._count)
        path.write_bytes(msgspec.json.encode(fresh) + b"\n")
        return fresh


def _fresh_ports(nodes: int) -> list[NodePorts]:
    taken: set[int] = set()

    def first_of(count: int) -> int:
        while True:
            (port,) = free_ports(1, avoid=taken)
            wanted = range(port, port + count)
            if not taken.intersection(wanted) and all(map(is_free, wanted)):
                taken.update(wanted)
                return port

    return [NodePorts(http=first_of(1), grpc=first_of(1), gossip=first_of(2), raft=first_of(2)) for _ in range(nodes)]
