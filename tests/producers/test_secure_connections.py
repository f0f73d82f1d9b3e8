"""Connecting for real: TLS, mTLS and SCRAM to a broker that requires them, and clear words where the proof is wrong."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from consumers.lag import GroupLag
from consumers.tail import tail
from matcher.clock import SystemClock
from matcher.events.envelope import Outgoing
from matcher.metrics import Metrics
from matcher.settings import load_settings
from producers.client import base_config
from producers.plain import Publisher
from producers.topic_plan import create, topic_plan
from producers.topics import KafkaUnreachable, check_topics
from producers.transaction import Transactions
from tests.secure_kafka import KEY_PASSWORD, PASSWORD, USER, SecureKafka

pytestmark = pytest.mark.kafka


@pytest.fixture
def by_certificate(secure_kafka: SecureKafka) -> dict[str, str]:
    return {
        "OFFERMATCH_KAFKA_BOOTSTRAP": secure_kafka.mtls,
        "OFFERMATCH_KAFKA_SECURITY": "SSL",
        "OFFERMATCH_KAFKA_CA_FILE": str(secure_kafka.ca),
        "OFFERMATCH_KAFKA_CERTIFICATE_FILE": str(secure_kafka.certificate),
        "OFFERMATCH_KAFKA_KEY_FILE": str(secure_kafka.key),
        "OFFERMATCH_KAFKA_KEY_PASSWORD": KEY_PASSWORD,
    }


@pytest.fixture
def by_password(secure_kafka: SecureKafka, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    return {
        "OFFERMATCH_KAFKA_BOOTSTRAP": secure_kafka.scram,
        "OFFERMATCH_KAFKA_SECURITY": "SASL_SSL",
        "OFFERMATCH_KAFKA_CA_FILE": str(secure_kafka.ca),
        "OFFERMATCH_KAFKA_USERNAME": USER,
        "OFFERMATCH_KAFKA_PASSWORD_FILE": str(tmp_path / "password"),
    }


@pytest.mark.parametrize("proof", ["by_certificate", "by_password"])
def test_who_can_prove_it_makes_topics_writes_in_transactions_and_reads(
    proof: str, unique_name: Callable[[str], str], request: pytest.FixtureRequest
) -> None:
    environ = request.getfixturevalue(proof) | {"OFFERMATCH_TOPICS_PREFIX": unique_name("") + "."}
    settings = load_settings(environ=environ)
    topics = settings.topics
    assert {outcome.state for outcome in create(settings)} == {"created"}
    record = Outgoing(topic=topics.matches, key=b"k", value=b"v")
    with Publisher(settings.kafka, SystemClock()) as publisher:
        publisher.send(record)
    transactions = Transactions(settings.kafka, unique_name("id"), Metrics(), SystemClock())
    transactions.init()
    assert transactions.publish([record], {}, None) == {(topics.matches, 0): 2}
    transactions.close()
    assert [found.value for found in tail(settings.kafka, topics.matches)] == [b"v", b"v"]
    lag = GroupLag(settings.kafka, unique_name("group"), topics.matches)
    assert lag.records() == 3, "a transaction ends with a marker"
    lag.close()


def refusal_of(environ: dict[str, str]) -> str:
    settings = load_settings(environ=environ)
    with pytest.raises(KafkaUnreachable) as refused:
        check_topics(base_config(settings.kafka), topic_plan(settings), {settings.topics.offers}, timeout=3)
    return str(refused.value)


def test_a_wrong_password_is_told_apart_from_a_broker_that_is_away_and_not_repeated(
    by_password: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("not the password")
    said = refusal_of(by_password)
    assert "Authentication failed" in said
    assert "not the password" not in said


def test_a_broker_of_another_authority_is_not_trusted(
    by_certificate: dict[str, str], secure_kafka: SecureKafka
) -> None:
    said = refusal_of(by_certificate | {"OFFERMATCH_KAFKA_CA_FILE": str(secure_kafka.stranger_ca)})
    assert "certificate verify failed" in said


def test_a_certificate_of_another_authority_opens_nothing(
    by_certificate: dict[str, str], secure_kafka: SecureKafka
) -> None:
    said = refusal_of(
        by_certificate
        | {
            "OFFERMATCH_KAFKA_CERTIFICATE_FILE": str(secure_kafka.stranger_certificate),
            "OFFERMATCH_KAFKA_KEY_FILE": str(secure_kafka.stranger_key),
            "OFFERMATCH_KAFKA_KEY_PASSWORD": "",
        }
    )
    assert "SSL" in said or "ssl" in said


def test_the_command_line_connects_by_the_same_settings_and_shows_no_secret(
    by_password: dict[str, str], unique_name: Callable[[str], str]
) -> None:
    environ = by_password | {
        "OFFERMATCH_TOPICS_PREFIX": unique_name("") + ".",
        "OFFERMATCH_KAFKA_PROPERTIES": '{"debug": "conf,security", "log_level": "7"}',
    }
    command = [sys.executable, "-m", "offermatch", "topics", "create", "--json"]
    run = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert set(msgspec.json.decode(run.stdout.splitlines()[-1])["topics"].values()) == {"created"}
    assert "sasl.username" in run.stderr, "nothing is to be shown where nothing is logged"
    assert PASSWORD not in run.stdout + run.stderr
