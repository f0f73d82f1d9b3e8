"""When a matcher looks for offers that were not seen again in time, and how many of them leave at once."""

import math
from collections.abc import Sequence

from matcher.clock import Clock
from matcher.deciding.steps import Expired
from matcher.memory import Memory

#: Seconds between two looks when the last one found less than it could take.
LOOK_EVERY = 5.0


class Expiring:
    """Looks between batches; a look is one query that reads no more than `most` rows."""

    def __init__(self, memory: Memory, most: int, clock: Clock) -> None:
        """`most`: offers that leave in one transaction."""
        self._memory = memory
        self._most = most
        self._clock = clock
        self._next_look = -math.inf

    def due(self) -> Sequence[Expired]:
        """The offers that leave now; none when it is not yet time to look again."""
        if self._clock.monotonic() < self._next_look:
            return ()
        expired = self._memory.expired(self._most)
        if len(expired) < self._most:
            self._next_look = self._clock.monotonic() + LOOK_EVERY
        return expired
