"""The Kafka for those with Docker is set up like the embedded one."""

from pathlib import Path

import pytest

from broker.properties import NodeAddress, server_properties

COMPOSE = Path(__file__).parents[2] / "ops" / "compose.yaml"


def test_compose_has_the_settings_of_the_embedded_kafka():
    yaml = pytest.importorskip("yaml", reason="PyYAML, which transformers brings, is not here")
    environment = yaml.safe_load(COMPOSE.read_text())["services"]["kafka"]["environment"]
    own = NodeAddress(1, 9092, 9093)
    embedded = server_properties(own, [own], {})
    for key in ("listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs"):
        del embedded[key]
    for key in ("inter.broker.listener.name", "listener.security.protocol.map"):
        del embedded[key]
    for key, value in embedded.items():
        assert str(environment["KAFKA_" + key.upper().replace(".", "_")]) == value, key
