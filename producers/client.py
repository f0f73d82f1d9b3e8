"""What every producer of ours tells librdkafka, and the records it takes."""

import logging
from collections.abc import Mapping

from matcher.settings import Kafka

#: Derived records may be larger than what sellers send: a dead letter carries its headers on top.
MAX_RECORD_BYTES = 4 * 1024 * 1024

#: What librdkafka has to say goes where everything else goes, and looks like it. It comes with the next poll.
LIBRDKAFKA = logging.getLogger("librdkafka")

Value = str | int | float | bool | logging.Logger


def base_config(kafka: Kafka) -> dict[str, str | int | float | bool]:
    """Settings shared by consumers, producers and admin clients; `kafka.properties` win over all of ours."""
    return {
        "bootstrap.servers": kafka.bootstrap,
        "client.id": "offermatch",
        "message.max.bytes": MAX_RECORD_BYTES,
        # A broker that restarts is found again at once, not after librdkafka's default of up to ten seconds.
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 1_000,
        # Bootstrapping anew once all brokers are gone forgets the coordinators: sending offsets to a transaction then
        # waits for ever, whatever its timeout (librdkafka #5456, #5511).
        "metadata.recovery.strategy": "none",
        **_security(kafka),
        **kafka.properties,
    }


def _security(kafka: Kafka) -> dict[str, str]:
    """How to prove who we are, and what the broker must prove: nothing where the settings say nothing."""
    given = {
        "security.protocol": "" if kafka.security == "PLAINTEXT" else kafka.security,
        "ssl.ca.location": kafka.ca_file,
        "ssl.certificate.location": kafka.certificate_file,
        "ssl.key.location": kafka.key_file,
        "ssl.key.password": kafka.key_password.reveal() if kafka.key_password else "",
    }
    if kafka.username and kafka.password:
        given |= {
            "sasl.mechanism": kafka.sasl_mechanism,
            "sasl.username": kafka.username,
            "sasl.password": kafka.password.reveal(),
        }
    return {name: value for name, value in given.items() if value}


def producer_config(kafka: Kafka, **more: str | int | bool) -> Mapping[str, Value]:
    """Idempotent, acknowledged by all replicas, compressed, keys partitioned as Kafka's Java clients do."""
    return {
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": "lz4",
        "linger.ms": 5,
        "partitioner": "murmur2_random",
        "logger": LIBRDKAFKA,
        **more,
        **base_config(kafka),
    }
