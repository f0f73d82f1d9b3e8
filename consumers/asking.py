"""Asking Kafka again while the answer is that it cannot say just now: leaders move, brokers come back."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from confluent_kafka import KafkaException

from consumers.client import is_passing
from matcher.clock import Clock

T = TypeVar("T")

_PAUSE: Final = 0.2


def patiently(
    ask: Callable[[float], T], patience: float, clock: Clock, pause: Callable[[float], object] = time.sleep
) -> T:
    """What `ask` returns, which is given the seconds that are left for it.

    A passing error is asked through for `patience` seconds, with a pause between; then, and at once if it does not
    pass, `KafkaException` is raised.
    """
    deadline = clock.monotonic() + patience
    while True:
        try:
            return ask(max(_PAUSE, deadline - clock.monotonic()))
        except KafkaException as error:
            if not is_passing(error.args[0]) or clock.monotonic() + _PAUSE >= deadline:
                raise
        pause(_PAUSE)
