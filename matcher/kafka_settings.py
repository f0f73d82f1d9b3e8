"""The section [kafka]: where the cluster is, how to prove who we are to it, and what nobody may change."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from matcher.secret import Secret, read_secret
from matcher.settings_error import SettingsError

Seconds = Annotated[float, Meta(gt=0, le=86_400)]

_ORDER = "which record is decided, in what order, and once, rests on it"
_OURS = "every process sets it by itself"

#: librdkafka's properties that cannot be given, and why. Its older names for the same are among them.
FIXED: Mapping[str, str] = {
    **dict.fromkeys(("enable.idempotence", "acks", "request.required.acks", "enable.gapless.guarantee"), _ORDER),
    **dict.fromkeys(("isolation.level", "auto.offset.reset", "enable.partition.eof"), _ORDER),
    **dict.fromkeys(("enable.auto.commit", "auto.commit.enable", "enable.auto.offset.store"), _ORDER),
    **dict.fromkeys(("partitioner", "partition.assignment.strategy", "metadata.recovery.strategy"), _ORDER),
    **dict.fromkeys(("transactional.id", "group.id", "group.instance.id", "group.protocol"), _OURS),
    "message.max.bytes": "a dead letter must always fit",
    "bootstrap.servers": "the setting is [kafka] bootstrap",
    "metadata.broker.list": "the setting is [kafka] bootstrap",
    "session.timeout.ms": "the setting is [kafka] session_timeout, in seconds",
    "transaction.timeout.ms": "the setting is [kafka] transaction_timeout, in seconds",
}


class Kafka(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to reach Apache Kafka.

    `security` and `sasl_mechanism` are in Kafka's words. Files are PEM; without a `ca_file` the system's authorities
    are trusted. `certificate_file` and `key_file` prove who we are by TLS (mTLS), `username` and `password` by SASL. A
    password may stand in a file of its own, which `password_file` or `key_password_file` names, instead of among the
    settings; it is read once, at the start, and is never shown or logged.

    `start_patience`: seconds for which an encoder or matcher that starts waits for a Kafka that does not answer.

    `properties` go to librdkafka as they are and win over all settings, for consumers and producers alike. Those that
    the guarantees rest on are refused.
    """

    bootstrap: str = "127.0.0.1:9092"
    security: Annotated[str, Meta(pattern="^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$")] = "PLAINTEXT"
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    key_password: Secret | None = None
    key_password_file: str = ""
    sasl_mechanism: Annotated[str, Meta(pattern="^(SCRAM-SHA-512|SCRAM-SHA-256|PLAIN)$")] = "SCRAM-SHA-512"
    username: str = ""
    password: Secret | None = None
    password_file: str = ""
    properties: dict[str, str] = {}
    session_timeout: Seconds = 10.0
    transaction_timeout: Annotated[float, Meta(gt=0, le=10)] = 10.0
    start_patience: Annotated[float, Meta(ge=0, le=86_400)] = 60.0

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What may be shown: of `properties` the names alone, since any of them may hold a password."""
        shown = msgspec.structs.asdict(self) | {"properties": sorted(self.properties)}
        return list(shown.items())

    def __repr__(self) -> str:
        return f"Kafka({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    @property
    def protocol(self) -> str:
        """The security protocol in force."""
        return self.properties.get("security.protocol", self.security).upper()


def prepared(kafka: Kafka) -> Kafka:
    """The section with its secrets read from their files, once it makes sense. Raises `SettingsError`."""
    for name in ("password", "key_password"):
        file = getattr(kafka, f"{name}_file")
        if file and getattr(kafka, name) is not None:
            raise SettingsError(f"{_named(name)}: expected either this or {name}_file, got both")
        if file:
            kafka = msgspec.structs.replace(kafka, **{name: read_secret(_named(f"{name}_file"), file)})
    _check_properties(kafka)
    _check_tls(kafka)
    _check_sasl(kafka)
    return kafka


def _check_properties(kafka: Kafka) -> None:
    for name in kafka.properties:
        if name.strip().lower() in FIXED:
            raise SettingsError(
                f"{_named('properties')}: {name} cannot be given: {FIXED[name.strip().lower()]}. "
                f"Any other property of librdkafka can"
            )


def _check_tls(kafka: Kafka) -> None:
    for name in ("ca_file", "certificate_file", "key_file"):
        file = getattr(kafka, name)
        if file and "SSL" not in kafka.protocol:
            # Going on in the clear would be the worst answer to a half-made setting.
            raise SettingsError(f"{_named(name)}: expected `security` to be SSL or SASL_SSL, got {kafka.protocol}")
        if file and not _is_readable(Path(file)):
            raise SettingsError(f"{_named(name)}: expected a readable PEM file, got {file}")
    if bool(kafka.certificate_file) != bool(kafka.key_file):
        missing = "key_file" if kafka.certificate_file else "certificate_file"
        raise SettingsError(f"{_named(missing)}: expected a PEM file, since a certificate and its key go together")
    if kafka.key_password is not None and not kafka.key_file:
        raise SettingsError(f"{_named('key_password')}: expected a `key_file` that it opens")


def _check_sasl(kafka: Kafka) -> None:
    given = bool(kafka.username), kafka.password is not None
    if any(given) and "SASL" not in kafka.protocol:
        name = "username" if given[0] else "password"
        raise SettingsError(
            f"{_named(name)}: expected `security` to be SASL_SSL or SASL_PLAINTEXT, got {kafka.protocol}"
        )
    # Where properties choose a mechanism (OAUTHBEARER, GSSAPI), they also say what it needs.
    chosen = any(name.startswith("sasl.") for name in kafka.properties)
    if "SASL" in kafka.protocol and not all(given) and not chosen:
        name = "password" if given[0] else "username"
        raise SettingsError(f"{_named(name)}: expected one, since `security` is {kafka.protocol}")


def _is_readable(file: Path) -> bool:
    try:
        with file.open("rb"):
            return True
    except OSError:
        return False


def _named(field: str) -> str:
    return f"[kafka] {field} (OFFERMATCH_KAFKA_{field.upper()})"
