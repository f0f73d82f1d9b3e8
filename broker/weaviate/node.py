"""One Weaviate process: its ports, its settings, its life and its death."""

import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import msgspec

from broker.ports import HOST, accepts
from broker.watchdog import Watchdog

_TAIL_LINES = 20


class NodeDied(RuntimeError):
    """A node that should be running is not; the message ends with the last lines of its log."""


class NodePorts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a node listens. On one machine Weaviate expects its data port one above that of the gossip, and its
    internal port one above that of Raft."""

    http: int
    grpc: int
    gossip: int
    raft: int


class WeaviateNode:
    """A node with a folder of its own, which is the truth: it may be started on it again after any death."""

    def __init__(self, number: int, folder: Path, ports: NodePorts) -> None:
        self.number = number
        self.folder = folder
        self.ports = ports
        self.log_file = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: Watchdog | None = None

    @property
    def pid(self) -> int | None:
        """The process id while the node should be running, else None."""
        return None if self._process is None else self._process.pid

    @property
    def url(self) -> str:
        """Where clients find it, as WEAVIATE_URL wants it."""
        return f"http://{HOST}:{self.ports.http}?grpc_port={self.ports.grpc}"

    def start(self, server: Path, nodes: Sequence["WeaviateNode"], lock_fd: int) -> None:
        """Start the process, which keeps `lock_fd` open for as long as it lives."""
        if self._process is not None:
            raise RuntimeError(f"node {self.number} is already running as process {self.pid}")
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [str(server), "--scheme", "http", "--host", HOST, "--port", str(self.ports.http)],
                cwd=self.folder,
                # What it is not told here it takes from its surroundings: keys that it asks for, for example.
                env={"AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true", **os.environ, **self._environment(nodes)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(lock_fd,),
                # Ctrl-C in a terminal goes to the whole group; the server must stop after its clients.
                start_new_session=True,
            )
        self._watchdog = Watchdog(self._process.pid)

    def ready(self) -> bool:
        """Whether the node serves requests."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.ports.http}/v1/.well-known/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def joinable(self) -> bool:
        """Whether other nodes can join this one."""
        return accepts(self.ports.gossip)

    def check(self) -> None:
        """Raise NodeDied if the node was started and has ended by itself."""
        if self._process is not None and (status := self._process.poll()) is not None:
            self._forget()
            raise NodeDied(f"Weaviate node {self.number} ended with status {status}. {self.log_tail()}")

    def stop(self, timeout: float) -> bool:
        """Ask the process to end, and kill it after `timeout` seconds; whether it ended by itself."""
        if self._process is None:
            return True
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self._forget()
        return True

    def kill(self) -> None:
        """End the process at once (SIGKILL), if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._forget()

    def log_tail(self) -> str:
        """The last lines of the node's log, with a heading that names the file."""
        lines = (
            self.log_file.read_text(encoding="utf-8", errors="replace").splitlines() if self.log_file.exists() else []
        )
        return "\n".join([f"The end of {self.log_file}:", *lines[-_TAIL_LINES:]])

    def _environment(self, nodes: Sequence["WeaviateNode"]) -> dict[str, str]:
        values = {
            # Absolute: while it makes a shard, the server is in another working directory for a moment, and whatever
            # other shards write by a relative path just then is lost (seen with three shards, once in five times).
            "PERSISTENCE_DATA_PATH": str((self.folder / "data").absolute()),
            "DEFAULT_VECTORIZER_MODULE": "none",
            "GRPC_PORT": str(self.ports.grpc),
            "CLUSTER_HOSTNAME": self._name,
            "CLUSTER_IN_LOCALHOST": "true",
            "CLUSTER_BIND_ADDR": HOST,
            "CLUSTER_ADVERTISE_ADDR": HOST,
            "CLUSTER_GOSSIP_BIND_PORT": str(self.ports.gossip),
            "CLUSTER_DATA_BIND_PORT": str(self.ports.gossip + 1),
            "RAFT_PORT": str(self.ports.raft),
            "RAFT_INTERNAL_RPC_PORT": str(self.ports.raft + 1),
            "RAFT_JOIN": ",".join(f"{node._name}:{node.ports.raft}" for node in nodes),
            "RAFT_BOOTSTRAP_EXPECT": str(len(nodes)),
            "DISABLE_TELEMETRY": "true",
            "GO_PROFILING_DISABLE": "true",
            "LOG_LEVEL": "warning",
        }
        # Whoever is there: a node that finds none of those it is told to join does not start.
        others = [node for node in nodes if node is not self and node.joinable()]
        if others:
            values["CLUSTER_JOIN"] = ",".join(f"{HOST}:{node.ports.gossip}" for node in others)
        return values

    @property
    def _name(self) -> str:
        return f"node-{self.number}"

    def _forget(self) -> None:
        if self._watchdog is not None:
            self._watchdog.dismiss()
        self._process = self._watchdog = None
