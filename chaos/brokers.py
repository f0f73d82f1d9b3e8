"""What a run may do to the brokers of its Kafka."""

from broker.cluster import KafkaCluster
from consumers.positions import all_in_sync
from matcher.settings import Kafka
from producers.topics import can_produce


class Brokers:
    """The nodes of a cluster, by number from 1."""

    def __init__(self, cluster: KafkaCluster, kafka: Kafka, patience: float) -> None:
        """`patience`: seconds that a node may take to come up."""
        self._cluster = cluster
        self._kafka = kafka
        self._patience = patience

    def kill(self, node: int) -> None:
        self._cluster.kill(node)

    def stop(self, node: int) -> None:
        self._cluster.stop_node(node)

    def start(self, node: int) -> None:
        """Raises `broker.cluster.BrokerNotReady`, `broker.node.BrokerDied`."""
        self._cluster.start_node(node, can_produce, timeout=self._patience)

    def freeze(self, node: int) -> None:
        self._cluster.pause(node)

    def wake(self, node: int) -> None:
        self._cluster.resume(node)

    def whole(self) -> bool:
        """Whether every node is back and has all that the others have."""
        return all_in_sync(self._kafka)
