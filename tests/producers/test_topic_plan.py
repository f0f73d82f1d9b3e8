"""A process that is started before Kafka waits for it, as long as the settings say, and can be stopped meanwhile."""

from typing import Any

import pytest

import producers.topic_plan
from matcher.settings import Kafka, Settings
from producers.topic_plan import check_patiently
from producers.topics import KafkaUnreachable, TopicsUnusable
from tests.consumers.fakes import HandClock


class FakeKafka:
    """Does not answer before so many questions were asked; each takes its time."""

    def __init__(self, clock: HandClock, silent: int) -> None:
        self.clock, self.silent, self.asked = clock, silent, 0
        self.wrong = ""

    def check_topics(self, _config: Any, _plan: Any, needed: set[str], timeout: float) -> None:
        self.asked += 1
        assert needed == {"offers"}
        if self.asked <= self.silent:
            self.clock.seconds += timeout
            raise KafkaUnreachable("Kafka at 127.0.0.1:9 gives no answer: connection refused")
        if self.wrong:
            raise TopicsUnusable(self.wrong)


def start(monkeypatch: pytest.MonkeyPatch, silent: int, patience: float, stop_after: int = 1_000) -> FakeKafka:
    clock = HandClock()
    kafka = FakeKafka(clock, silent)
    monkeypatch.setattr(producers.topic_plan, "check_topics", kafka.check_topics)
    settings = Settings(kafka=Kafka(start_patience=patience))
    went_on = check_patiently(settings, {"offers"}, lambda: kafka.asked >= stop_after, clock)
    assert went_on == (kafka.asked < stop_after)
    return kafka


def test_it_waits_for_a_kafka_that_is_not_up_yet_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert start(monkeypatch, silent=3, patience=60.0).asked == 4
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert said[0].startswith("waiting for Kafka, 55 s more at most: Kafka at 127.0.0.1:9 gives no answer")


def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KafkaUnreachable, match="connection refused"):
        start(monkeypatch, silent=1_000, patience=60.0)


def test_no_patience_is_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    assert start(monkeypatch, silent=0, patience=0.0).asked == 1
    with pytest.raises(KafkaUnreachable):
        start(monkeypatch, silent=1, patience=0.0)


def test_who_is_told_to_stop_does_not_wait_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert start(monkeypatch, silent=1_000, patience=60.0, stop_after=2).asked == 2


def test_topics_that_are_wrong_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    kafka = FakeKafka(clock, 0)
    kafka.wrong = "topic offers is missing"
    monkeypatch.setattr(producers.topic_plan, "check_topics", kafka.check_topics)
    with pytest.raises(TopicsUnusable, match="missing"):
        check_patiently(Settings(), {"offers"}, lambda: False, clock)
    assert kafka.asked == 1
