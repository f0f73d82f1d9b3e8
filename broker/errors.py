"""What was asked of the embedded Kafka and cannot be."""


class ClusterRefused(ValueError):
    """An impossible cluster: number of nodes, ports, settings, or a folder made for another one."""
