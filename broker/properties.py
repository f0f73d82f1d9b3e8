"""The settings that each node of an embedded cluster runs with, and why they are not Kafka's defaults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from broker.errors import ClusterRefused
from broker.ports import HOST

DATA_FOLDER = "data"
"""Relative to the node's folder, where Kafka is started: a folder can then be moved, and its path hold anything."""


@dataclass(frozen=True)
class NodeAddress:
    """Where one node listens on 127.0.0.1: `port` for clients, `controller_port` for the quorum. Ids count from 1."""

    node: int
    port: int
    controller_port: int


def server_properties(own: NodeAddress, nodes: Sequence[NodeAddress], extra: Mapping[str, str]) -> dict[str, str]:
    """Everything that goes into `server.properties` of one node; `extra` wins over the settings of choice.

    Raises ValueError if `extra` would change what holds the cluster together.
    """
    replicas = str(min(len(nodes), 3))
    in_sync = "2" if len(nodes) >= 3 else "1"
    identity = {
        "process.roles": "broker,controller",
        "node.id": str(own.node),
        "controller.quorum.voters": ",".join(f"{node.node}@{HOST}:{node.controller_port}" for node in nodes),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listeners": f"PLAINTEXT://{HOST}:{own.port},CONTROLLER://{HOST}:{own.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{own.port}",
        "log.dirs": DATA_FOLDER,
    }
    if fixed := sorted(identity.keys() & extra.keys()):
        raise ClusterRefused(f"these Kafka settings are the cluster's own and cannot be given: {', '.join(fixed)}")
    chosen = {
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        # A handful of groups and transactional ids need no 50 partitions, each with its files and its start-up time.
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        # A topic made by a typing error has one partition and the wrong clean-up; it must be an error instead.
        "auto.create.topics.enable": "false",
        # Members of a group wait for nobody, and a standby may take over after one second.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # Positions of a group that rests for longer than a week are still the truth when it wakes.
        "offsets.retention.minutes": str(366 * 24 * 60),
        # After kill -9, a restarted broker waits for the end of its former session.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        # The default buffer for compaction takes a quarter of a 512 MB heap; 32 MiB hold over a million keys a pass.
        "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
        "num.network.threads": "2",
        "num.io.threads": "4",
    }
    return identity | chosen | dict(extra)


def to_file_text(properties: Mapping[str, str]) -> str:
    """Java's `.properties` format, which is Latin-1 with escapes."""
    return "".join(f"{_escaped(key)}={_escaped(value)}\n" for key, value in properties.items())


def _escaped(text: str) -> str:
    """Everything that could mean something to the format is written as \\uXXXX: blanks, separators, comment signs."""
    units = text.encode("utf-16-be")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return "".join(
        chr(code) if 0x20 < code < 0x7F and chr(code) not in _SPECIAL else f"\\u{code:04x}" for code in codes
    )


_SPECIAL = "\\=:#!"
