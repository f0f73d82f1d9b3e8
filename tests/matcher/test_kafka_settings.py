"""Connecting: settings that make sense together, secrets that nobody sees, and properties that nobody may change."""

import pickle
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import KafkaException, Producer
from rich.console import Console

from matcher.kafka_settings import FIXED, Kafka
from matcher.secret import Secret
from matcher.settings import Settings, SettingsError, load_settings
from matcher.settings_page import page
from producers.client import base_config, producer_config

HIDDEN = "hunter2"


def load(**kafka: str) -> Kafka:
    return load_settings(environ={f"OFFERMATCH_KAFKA_{name.upper()}": value for name, value in kafka.items()}).kafka


@pytest.fixture
def pem(tmp_path: Path) -> str:
    (tmp_path / "some.pem").write_text("not looked into here")
    return str(tmp_path / "some.pem")


def test_without_a_word_about_security_the_client_is_told_none() -> None:
    assert not {name for name in base_config(Kafka()) if name.startswith(("ssl.", "sasl.", "security."))}


def test_a_password_and_certificates_become_what_librdkafka_calls_them(pem: str) -> None:
    kafka = load(
        security="SASL_SSL", ca_file=pem, certificate_file=pem, key_file=pem, key_password="k", username="u",
        password="p",
    )  # fmt: skip
    secure = {n: v for n, v in base_config(kafka).items() if n.startswith(("ssl.", "sasl.", "security."))}
    assert secure == {
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": pem,
        "ssl.certificate.location": pem,
        "ssl.key.location": pem,
        "ssl.key.password": "k",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "p",
    }


def test_secrets_come_from_the_file_the_environment_or_a_file_of_their_own(tmp_path: Path) -> None:
    common = {"security": "SASL_PLAINTEXT", "username": "u"}
    (tmp_path / "password").write_text("p ä\r\n", newline="")
    (tmp_path / "o.toml").write_text('[kafka]\nsecurity = "SASL_PLAINTEXT"\nusername = "u"\npassword = "p ä"\n')
    assert load(**common, password="p ä").password == Secret("p ä")
    assert load(**common, password_file=str(tmp_path / "password")).password == Secret("p ä")
    assert load_settings(tmp_path / "o.toml", {}).kafka.password == Secret("p ä")


def test_nothing_that_prints_or_encodes_settings_shows_a_secret() -> None:
    kafka = load(
        security="SASL_SSL", username="u", password=HIDDEN, properties=f'{{"ssl.keystore.password": "{HIDDEN}"}}'
    )
    settings = Settings(kafka=kafka)
    printed = StringIO()
    Console(file=printed).print(settings, kafka, kafka.password)
    assert "ssl.keystore.password" in repr(kafka)
    for text in (
        repr(settings),
        str(settings),
        f"{kafka}",
        f"{kafka.password}",
        printed.getvalue(),
        page(),
    ):
        assert HIDDEN not in text
    for encode in (msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins):
        with pytest.raises(TypeError):
            encode(settings)
    assert kafka.password.reveal() == HIDDEN
    assert pickle.loads(pickle.dumps(kafka)) == kafka, "another process gets it all the same"


def test_a_secret_of_a_wrong_type_is_refused_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "o.toml").write_text('[kafka]\nsecurity = "SASL_SSL"\nusername = "u"\npassword = 4711')
    with pytest.raises(SettingsError, match=r"\[kafka\] password: expected") as refused:
        load_settings(tmp_path / "o.toml", {})
    assert "4711" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"\xff", b"x" * 70_000])
def test_a_file_that_holds_no_secret_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(content)
    with pytest.raises(SettingsError, match=r"\[kafka\] password_file \(OFFERMATCH_KAFKA_PASSWORD_FILE\): expected"):
        load(security="SASL_SSL", username="u", password_file=str(tmp_path / "password"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"security": "TLS"}, "expected `str` matching regex"),
        ({"sasl_mechanism": "MD5"}, "expected `str` matching regex"),
        ({"security": "SASL_SSL"}, r"username \(OFFERMATCH_KAFKA_USERNAME\): expected one, since .* SASL_SSL"),
        ({"security": "SASL_SSL", "username": "u"}, "OFFERMATCH_KAFKA_PASSWORD.: expected one, since"),
        ({"username": "u", "password": "p"}, "expected `security` to be SASL_SSL or SASL_PLAINTEXT, got PLAINTEXT"),
        ({"security": "SSL", "password": "p"}, "OFFERMATCH_KAFKA_PASSWORD.: expected `security` to be SASL_SSL"),
        ({"ca_file": "PEM"}, "OFFERMATCH_KAFKA_CA_FILE.: expected `security` to be SSL or SASL_SSL, got PLAINTEXT"),
        ({"security": "SSL", "ca_file": "/nowhere/ca.pem"}, "CA_FILE.: expected a readable PEM file, got /nowhere"),
        ({"security": "SSL", "certificate_file": "PEM"}, "KEY_FILE.: expected a PEM file"),
        ({"security": "SSL", "key_file": "PEM"}, "CERTIFICATE_FILE.: expected a PEM file"),
        ({"security": "SSL", "key_password": "k"}, "KEY_PASSWORD.: expected a `key_file` that it opens"),
        ({"password": "p", "password_file": "PEM"}, "PASSWORD.: expected either this or password_file, got both"),
        ({"password_file": "/nowhere"}, "PASSWORD_FILE.: expected a readable file, got /nowhere"),
    ],
)
def test_half_made_settings_are_refused_and_never_mean_a_connection_in_the_clear(
    given: dict[str, str], said: str, pem: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        load(**{name: pem if value == "PEM" else value for name, value in given.items()})


def test_properties_may_choose_another_protocol_and_mechanism(pem: str) -> None:
    properties = '{"security.protocol": "sasl_ssl", "sasl.mechanisms": "OAUTHBEARER", "linger.ms": "50"}'
    config = producer_config(load(properties=properties, ca_file=pem))
    assert (config["security.protocol"], config["sasl.mechanisms"], config["linger.ms"]) == (
        "sasl_ssl",
        "OAUTHBEARER",
        "50",
    )


@pytest.mark.parametrize("name", FIXED)
def test_what_the_guarantees_rest_on_cannot_be_given(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"\[kafka\] properties .*: {name} cannot be given: "):
        load(properties=msgspec.json.encode({"client.id": "x", name: "secret?"}).decode())
    assert f"`{name}`" in page()


def exists(name: str) -> bool:
    try:
        Producer({name: "certainly no value of it"})
    except (KafkaException, ValueError) as refusal:
        return "No such configuration property" not in str(refusal)
    return True


def test_every_property_that_is_refused_exists() -> None:
    """A typing error in the list would let the real one through."""
    assert not exists("enable.idempotency")
    assert [name for name in FIXED if not exists(name)] == []
