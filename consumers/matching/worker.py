"""The matcher's work behind the loop: each owned partition follows first, then decides."""

import logging
from collections.abc import Callable, Mapping, Sequence

from consumers.matching.partition import OwnedPartition
from consumers.status import Status
from matcher.events.envelope import Record
from producers.transaction import AbortedError, OutcomeUnknownError

log = logging.getLogger(__name__)

#: Seconds that following may take before the loop polls again.
FOLLOW_SLICE = 0.5


class MatchWorker:
    """Implements `consumers.loop.Worker`. Batches are decided and committed one after the other."""

    def __init__(self, open_partition: Callable[[int], OwnedPartition], batch_size: int, status: Status) -> None:
        self._open_partition = open_partition
        self._batch_size = batch_size
        self._status = status
        self._owned: dict[int, OwnedPartition] = {}
        self._waiting: dict[int, list[Record]] = {}

    def assigned(self, partition: int) -> int | None:
        owned = self._open_partition(partition)
        try:
            start = owned.take_over()
        except BaseException:
            owned.close()
            raise
        self._owned[partition] = owned
        self._waiting[partition] = []
        return start

    def revoked(self, partitions: Sequence[int], *, lost: bool) -> None:
        """Nothing is in flight between two turns: what waits was not decided and is simply read by the next owner."""
        for partition in partitions:
            self._waiting.pop(partition, None)
            owned = self._owned.pop(partition, None)
            if owned is not None:
                owned.close()
        self._announce()

    def room(self, partition: int) -> int:
        owned = self._owned.get(partition)
        if owned is None or owned.following:
            return 0
        return self._batch_size - len(self._waiting[partition])

    def submit(self, records: Sequence[Record]) -> None:
        for record in records:
            self._waiting[record.partition].append(record)

    def busy(self) -> bool:
        return any(self._waiting.values()) or any(owned.following for owned in self._owned.values())

    def poll(self) -> Mapping[int, int]:
        rewinds: dict[int, int] = {}
        for partition, owned in self._owned.items():
            if owned.following:
                owned.follow(FOLLOW_SLICE)
            batch = self._waiting[partition]
            if not batch or owned.following:
                continue
            self._waiting[partition] = []
            try:
                owned.decide(batch)
            except (AbortedError, OutcomeUnknownError) as error:
                log.warning("partition %d: asking the log what became of a batch: %s", partition, error)
                rewinds[partition] = owned.recover()
        self._announce()
        return rewinds

    def drain(self, deadline: float) -> None:
        """Decides what was read. A partition that still follows has nothing to finish."""
        self.poll()

    def close(self) -> None:
        for owned in self._owned.values():
            owned.close()
        self._owned.clear()

    def _announce(self) -> None:
        """A process without partitions is a standby, and ready to take one."""
        self._status.set("index_loaded", not any(owned.following for owned in self._owned.values()))
