"""A Kafka cluster on this machine: one or more nodes, their common folder, and the order of starting and stopping."""

import logging
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from broker.errors import ClusterRefused
from broker.jars import ensure_jars
from broker.java import find_java
from broker.lock import FolderLock
from broker.meta import settle
from broker.node import BrokerDied, Node, Runtime
from broker.ports import HOST

Ready = Callable[[str], bool]
"""Given a bootstrap address, whether a client can produce there; False, not an exception, while it cannot yet."""

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.05
_ORPHANS_SECONDS = 15.0


class BrokerNotReady(TimeoutError):
    """The cluster did not become ready in time; the message ends with the logs' last lines."""


class KafkaCluster:
    """Apache Kafka in KRaft mode on 127.0.0.1; every node is broker and controller.

    Args:
        data_dir: belongs to this cluster alone. A second start on it comes up with its data and, where they are still
            free, on the same ports.
        nodes: an odd number; 1 for everything but tests of failures. Fixed once the folder exists.
        ports: client ports, one for each node. Default: those of the last run, or free ones.
        heap: the most memory for each node's Java heap, as Java's -Xmx takes it.
        properties: Kafka settings that win over ours.
        jars: Kafka's class path, if it is at hand. Default: `ensure_jars()` at start.
    """

    def __init__(
        self,
        data_dir: Path,
        nodes: int = 1,
        ports: Sequence[int] | None = None,
        *,
        heap: str = "512m",
        properties: Mapping[str, str] | None = None,
        jars: Sequence[Path] | None = None,
    ) -> None:
        if nodes < 1 or nodes % 2 == 0:
            raise ClusterRefused(f"a cluster needs an odd number of nodes for its majorities, not {nodes}")
        if ports is not None and (len(ports) != nodes or len(set(ports)) != nodes):
            raise ClusterRefused(f"{nodes} node(s) need {nodes} different port(s), got {list(ports)}")
        self.data_dir = data_dir.absolute()
        self._count = nodes
        self._given_ports = None if ports is None else tuple(ports)
        self._heap = heap
        self._properties = dict(properties or {})
        self._jars = jars
        self._lock = FolderLock(self.data_dir)
        self._runtime: Runtime | None = None
        self._nodes: dict[int, Node] = {}

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:port` of every node, separated by commas. Known from `start` on."""
        if not self._nodes:
            raise RuntimeError("the cluster's address is known only after start()")
        return ",".join(f"{HOST}:{node.address.port}" for node in self._nodes.values())

    @property
    def pids(self) -> dict[int, int]:
        """Process ids of the nodes that should be running, by node number (from 1)."""
        return {number: pid for number, node in self._nodes.items() if (pid := node.pid) is not None}

    def start(self, ready: Ready, timeout: float = 60.0) -> None:
        """Start all nodes and return when every port is open and `ready(bootstrap)` holds.

        Fetching the jars, the first time, does not count towards `timeout` (seconds).

        Raises:
            FolderInUse: another process has the folder.
            JarError, JavaMissing: there is nothing to start.
            ValueError: the folder was made for another number of nodes, or a setting cannot be given.
            PortTaken: a given port is in use.
            BrokerDied, BrokerNotReady: with the tail of the log. Nothing is left running.
        """
        self._runtime = Runtime(find_java(), tuple(self._jars or ensure_jars()), self._heap)
        deadline = time.monotonic() + timeout
        self._lock.acquire(timeout=0.0, orphan_timeout=_ORPHANS_SECONDS)
        try:
            meta = settle(self.data_dir, self._count, self._given_ports)
            addresses = meta.addresses
            self._nodes = {own.node: Node(self.data_dir / f"node-{own.node}", own) for own in addresses}
            for node in self._nodes.values():
                node.prepare(addresses, self._properties)
            self._format(meta.cluster_id, deadline)
            for node in self._nodes.values():
                node.start(self._runtime, self._lock.fd)
            self._wait_ready(list(self._nodes.values()), ready, deadline)
        except BaseException:
            self.kill_all()
            raise

    def stop(self, timeout: float = 30.0) -> bool:
        """Stop all nodes within `timeout` seconds, killing what is left by then; whether all stopped by themselves.

        The last nodes of a larger cluster may have to be killed: without a majority they wait for a controller that is
        no longer there. Their data are none the worse for it.
        """
        deadline = time.monotonic() + timeout
        for node in self._nodes.values():
            if node.pid is not None:
                node.signal(signal.SIGCONT)
                node.signal(signal.SIGTERM)
        late = [n for n, node in self._nodes.items() if not node.wait(max(0.0, deadline - time.monotonic()))]
        if late:
            _log.warning("Kafka node(s) %s did not stop within %.0f s and were killed", late, timeout)
        self.kill_all()
        return not late

    def kill_all(self) -> None:
        """End every node at once and give the folder back."""
        for node in self._nodes.values():
            node.kill()
        self._lock.release()

    def check(self) -> None:
        """Raise BrokerDied if a node that should be running has ended by itself."""
        for node in self._nodes.values():
            node.check()

    def kill(self, node: int) -> None:
        """SIGKILL one node, as a power cut would."""
        self._node(node).kill()

    def stop_node(self, node: int, timeout: float = 30.0) -> bool:
        """Stop one node cleanly, or kill it after `timeout` seconds; whether it stopped by itself."""
        one = self._node(node)
        one.signal(signal.SIGTERM)
        clean = one.wait(timeout)
        one.kill()
        return clean

    def start_node(self, node: int, ready: Ready, timeout: float = 60.0) -> None:
        """Start one stopped node on its data, and return when `ready` holds for its own address.

        Raises BrokerDied or BrokerNotReady.
        """
        if self._runtime is None:
            raise RuntimeError("start() the cluster first")
        one = self._node(node)
        one.start(self._runtime, self._lock.fd)
        self._wait_ready([one], ready, time.monotonic() + timeout)

    def pause(self, node: int) -> None:
        """Freeze one node (SIGSTOP): its connections stay open and nothing answers."""
        self._node(node).signal(signal.SIGSTOP)

    def resume(self, node: int) -> None:
        """Let a frozen node go on."""
        self._node(node).signal(signal.SIGCONT)

    def __enter__(self) -> "KafkaCluster":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _node(self, number: int) -> Node:
        try:
            return self._nodes[number]
        except KeyError:
            raise ClusterRefused(f"there is no node {number}; there are {sorted(self._nodes)}") from None

    def _format(self, cluster_id: str, deadline: float) -> None:
        assert self._runtime is not None
        running: list[tuple[Node, subprocess.Popen[bytes]]] = []
        try:
            for node in self._nodes.values():
                if process := node.begin_format(self._runtime, cluster_id):
                    running.append((node, process))
            for node, process in running:
                if process.wait(max(0.0, deadline - time.monotonic())) != 0:
                    raise BrokerDied(f"node {node.address.node} could not make its data folder. {node.log_tail()}")
        except subprocess.TimeoutExpired as error:
            raise BrokerNotReady("Kafka's data folders were not made in time") from error
        finally:
            for _, process in running:
                process.kill()
                process.wait()

    def _wait_ready(self, nodes: list[Node], ready: Ready, deadline: float) -> None:
        bootstrap = ",".join(f"{HOST}:{node.address.port}" for node in nodes)
        while not (all(node.accepts() for node in nodes) and ready(bootstrap)):
            self.check()
            if time.monotonic() > deadline:
                tails = "\n".join(node.log_tail() for node in nodes)
                raise BrokerNotReady(f"Kafka at {bootstrap} did not become ready in time. {tails}")
            time.sleep(_POLL_SECONDS)
