"""Time, injected: processes get a clock, so that tests can hold it in their hands."""

import time
from typing import Protocol


class Clock(Protocol):
    """`now_ms` is Unix time in milliseconds, `monotonic` seconds that never run backwards."""

    def now_ms(self) -> int: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()
