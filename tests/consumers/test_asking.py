"""Asking again: what passes is waited for, what does not is told at once."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumers.asking import patiently

PASSING = KafkaError.NOT_LEADER_FOR_PARTITION
LASTING = KafkaError.TOPIC_AUTHORIZATION_FAILED


class Asked:
    """Answers with these errors in turn, then with 7; its clock runs by the pauses, and by a second for each answer."""

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)
        self.left: list[float] = []
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def now_ms(self) -> int:
        return int(self.now * 1000)

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self, left: float) -> int:
        self.left.append(left)
        self.now += 1.0
        if self.errors:
            raise KafkaException(KafkaError(self.errors.pop(0)))
        return 7


def test_what_passes_is_asked_again_with_the_time_that_is_left() -> None:
    asked = Asked(PASSING, KafkaError._TIMED_OUT)
    assert patiently(asked, 10.0, asked, asked.pause) == 7
    assert asked.left == pytest.approx([10.0, 8.8, 7.6])


def test_what_does_not_pass_is_raised_at_once() -> None:
    asked = Asked(PASSING, LASTING)
    with pytest.raises(KafkaException) as raised:
        patiently(asked, 10.0, asked, asked.pause)
    assert raised.value.args[0].code() == LASTING
    assert len(asked.left) == 2


def test_patience_ends() -> None:
    asked = Asked(*[PASSING] * 100)
    with pytest.raises(KafkaException) as raised:
        patiently(asked, 4.0, asked, asked.pause)
    assert raised.value.args[0].code() == PASSING
    assert len(asked.left) == 4
    assert asked.now < 105.0
