"""The partitions that a process follows although others own them: which, how many, and whether they are warm."""

import logging
from collections.abc import Callable, Collection

from consumers.matching.group_offsets import GroupOffsets
from consumers.matching.opening import Opener
from consumers.matching.standby import Standby
from matcher.memory import Memory
from matcher.metrics import Metrics

log = logging.getLogger(__name__)

#: Records that a partition may take in one turn of the loop: less where another one waits to be decided.
MOST, MOST_BESIDE_WORK = 1_000, 200


class Standbys:
    """At most `most` of the partitions 0 … `partitions` - 1.

    Those that this process gave up last come first, since their state is at hand; then the lowest numbers that it does
    not own. States are opened beside, by `opener`.
    """

    def __init__(
        self,
        opener: Opener,
        follow: Callable[[int, Memory], Standby],
        offsets: GroupOffsets,
        *,
        partitions: int,
        most: int,
        metrics: Metrics,
    ) -> None:
        self._opener = opener
        self._follow = follow
        self._offsets = offsets
        self._partitions = partitions
        self._most = most
        self._metrics = metrics
        self._followed: dict[int, Standby] = {}
        self._behind = False
        self._complete = False  # as far as is known before the first step

    @property
    def numbers(self) -> Collection[int]:
        return self._followed.keys()

    @property
    def warm(self) -> bool:
        """Whether all are followed that are to be, and every one of them has been where its log was."""
        return self._complete and all(standby.warm for standby in self._followed.values())

    @property
    def behind(self) -> bool:
        """Whether there is more to apply at once."""
        return self._behind

    def take(self, partition: int) -> Memory | None:
        """The memory of a partition that is now to be decided: the one that was followed, or else from its file.

        None while that is being opened: to be asked for again, or to `leave`. Raises what opening it raises.
        """
        standby = self._followed.pop(partition, None)
        if standby is None:
            return self._opener.take(partition)
        self._metrics.forget_standby(partition)
        return standby.release()

    def leave(self, partition: int) -> None:
        """A partition went away before its memory was open. What has begun by then is followed, if there is room."""
        self._opener.leave(partition)

    def give(self, partition: int, memory: Memory) -> None:
        """Goes on following a partition that was given up, from where its memory stands."""
        if not self._most:
            memory.close()
            return
        if len(self._followed) >= self._most:
            self._drop(next(iter(self._followed)))
        self._followed[partition] = self._follow(partition, memory)

    def step(self, owned: Collection[int], *, beside_work: bool) -> None:
        """Goes on with all, and begins with one more where there is room. `owned`: those to be left alone, since they
        are decided here or will be. Raises as `Standby.step`, and what opening a state raises."""
        left = set(self._opener.numbers) - set(owned)
        for number in left:
            self._follow_opened(number)
        free = [number for number in range(self._partitions) if number not in owned and number not in self._followed]
        self._complete = not free or len(self._followed) >= self._most
        if not self._complete and not left:
            self._follow_opened(free[0])
        self._offsets.ask(self._followed.keys())
        self._behind = False
        for number, standby in self._followed.items():
            more = standby.step(self._offsets.of(number), MOST_BESIDE_WORK if beside_work else MOST)
            self._behind = self._behind or more
            self._metrics.standby_offers.labels(str(number)).set(len(standby.memory))
            for topic, records in standby.lag().items():
                self._metrics.standby_lag.labels(topic, str(number)).set(records)

    def close(self) -> None:
        for number in list(self._followed):
            self._drop(number)
        self._most = 0
        self._opener.close()
        self._offsets.close()

    def _follow_opened(self, partition: int) -> None:
        """Goes on with what is being opened. It is freed where there is no room: the partition went away meanwhile."""
        memory = self._opener.take(partition)
        if memory is None:
            return
        if len(self._followed) < self._most:
            self._followed[partition] = self._follow(partition, memory)
        else:
            memory.close()

    def _drop(self, partition: int) -> None:
        self._followed.pop(partition).close()
        self._metrics.forget_standby(partition)
