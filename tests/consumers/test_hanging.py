"""A transaction that stays open although its writer was fenced: nobody decides before what it hides is seen."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

import consumers.matching.hanging
from consumers.matching.hanging import HangingTransactionError, HiddenEnd
from matcher.settings import Kafka
from tests.consumers.deciding import TOPICS, Decided, a_stream, content_of, memory_in
from tests.consumers.fake_log import FakeLog
from tests.consumers.fakes import HandClock
from tests.consumers.test_standby import BUNDLE, follower_on
from tests.kafka import make_topic

MATCHES = TOPICS.matches
PATIENCE = 2 * (Kafka().transaction_timeout + 10)


@pytest.fixture
def decided(tmp_path: Path) -> Decided:
    return Decided(a_stream(7, 30), BUNDLE, tmp_path / "one")


def test_what_an_open_transaction_hides_is_waited_for_and_followed(
    tmp_path: Path, decided: Decided, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, clock = FakeLog(offer_features=decided.features, matches=decided.matches), HandClock()
    log.hidden[MATCHES] = log.ends[MATCHES]
    with closing(memory_in(tmp_path / "two", BUNDLE)) as memory:
        log.ends[MATCHES] = decided.committed[3][1]
        with closing(follower_on(log, memory, decided.committed[-1][0], monkeypatch, clock)) as follower:
            for batch in (3, 4, 5):  # one transaction after the other, for longer than any single one may take
                log.ends[MATCHES] = decided.committed[batch][1]
                for _ in range(int(PATIENCE)):
                    clock.seconds += 1
                    assert not follower.step(1.0)
            log.ends[MATCHES] = log.hidden[MATCHES]
            ended = False
            for _ in range(5):
                clock.seconds += 1
                ended = ended or follower.step(1.0)
            assert ended
        assert content_of(memory) == decided.content


def test_one_that_nobody_ends_stops_the_process_with_the_remedy_before_it_forgets_or_decides_anything(
    tmp_path: Path, decided: Decided, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, clock = FakeLog(offer_features=decided.features, matches=decided.matches), HandClock()
    log.hidden[MATCHES] = log.ends[MATCHES]
    log.ends[MATCHES] = start = decided.committed[3][1]
    with closing(memory_in(tmp_path / "two", BUNDLE)) as memory:
        follower = follower_on(log, memory, decided.committed[-1][0], monkeypatch, clock)
        for _ in range(int(PATIENCE) + 1):
            clock.seconds += 1
            assert not follower.step(1.0)
        clock.seconds += 1
        with pytest.raises(HangingTransactionError) as stopped:
            follower.step(1.0)
        follower.close()
        assert memory.stores()[0].counts().pending > 0, "their decisions may come to light yet"
    for part in (f"abort --topic {MATCHES} --partition 0 --start-offset {start}", "find-hanging", "docs/errors.md"):
        assert part in str(stopped.value)


def test_a_look_that_is_not_answered_is_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    log, clock = FakeLog(offer_features=[], matches=[]), HandClock()
    monkeypatch.setattr(consumers.matching.hanging, "Consumer", log.consumer)
    end = HiddenEnd(Kafka(), "group", MATCHES, 0, clock)
    answer = log.consumers[0].get_watermark_offsets

    def fail_with(code: int) -> None:
        def fail(*_: object, **__: object) -> tuple[int, int]:
            raise KafkaException(KafkaError(code))

        monkeypatch.setattr(log.consumers[0], "get_watermark_offsets", fail)

    fail_with(KafkaError._TIMED_OUT)
    assert end.hides(0) is None
    monkeypatch.setattr(log.consumers[0], "get_watermark_offsets", answer)
    assert end.hides(0) is None, "not so soon"
    clock.seconds += 1
    assert end.hides(0) is False
    fail_with(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    clock.seconds += 1
    with pytest.raises(KafkaException):
        end.hides(0)


@pytest.mark.kafka
def test_on_kafka_an_open_transaction_hides_its_records_until_it_is_ended(
    kafka: str, unique_name: Callable[[str], str]
) -> None:
    topic, name, clock = unique_name("matches"), unique_name("id"), HandClock()
    make_topic(kafka, topic)
    config = {"bootstrap.servers": kafka, "transactional.id": name, "log_level": 0}
    left = Producer(config)
    left.init_transactions(30)
    left.begin_transaction()
    left.produce(topic, b"hidden", b"k")
    left.flush(30)
    with closing(HiddenEnd(Kafka(bootstrap=kafka), "group", topic, 0, clock)) as end:
        assert end.hides(0) is True
        Producer(config).init_transactions(30)
        clock.seconds += 1
        assert end.hides(0) is True, "its records are there, and void"
        clock.seconds += 1
        assert end.hides(2) is False, "this is where a reader ends"
