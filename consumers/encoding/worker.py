"""The encoder's work behind the loop: order per partition, one transaction for what is finished."""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from consumers.encoding.work import Work
from matcher.clock import Clock
from matcher.encoding import RawFeatures
from matcher.events.dead_letter import Failure, dead_letter
from matcher.events.envelope import Outgoing, Record
from matcher.events.reading import Unreadable, read_offer
from matcher.metrics import Metrics
from matcher.settings import Topics
from producers.features import features_record, withdrawn_record
from producers.transaction import AbortedError, OutcomeUnknownError, Transactions

log = logging.getLogger(__name__)

#: Records in one transaction at most, so that it stays short.
MAX_PUBLISHED = 512


class Stage(Protocol):
    """Where offers are encoded (see `Pipeline`)."""

    def submit(self, work: Work) -> None: ...

    def close(self) -> None: ...


class Group(Protocol):
    """What the worker asks of the loop that drives it."""

    def group_metadata(self) -> Any: ...

    def committed(self, partition: int) -> int | None: ...


class EncodeWorker:
    """Implements `consumers.loop.Worker`. A partition's records are published in the order of its log."""

    def __init__(
        self,
        stage: Stage,
        transactions: Transactions,
        group: Group,
        *,
        encoder: str,
        topics: Topics,
        in_flight: int,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """`encoder` is the fingerprint that goes into every event."""
        self._stage = stage
        self._transactions = transactions
        self._group = group
        self._encoder = encoder
        self._topics = topics
        self._limit = in_flight
        self._metrics = metrics
        self._clock = clock
        self._lanes: dict[int, deque[Work]] = {}
        self._full = False

    def assigned(self, partition: int) -> int | None:
        self._lanes[partition] = deque()
        return None

    def revoked(self, partitions: Sequence[int], *, lost: bool) -> None:
        if not lost:
            self.poll()
        for partition in partitions:
            for work in self._lanes.pop(partition, ()):
                work.dropped = True

    def room(self, partition: int) -> int:
        free = self._limit - self._in_flight()
        # Pausing throws away what was fetched ahead, so a full encoder first works off half of what it holds.
        self._full = free <= 0 or (self._full and free < self._limit // 2)
        return 0 if self._full else free

    def submit(self, records: Sequence[Record]) -> None:
        for record in records:
            work = self._read(record)
            self._lanes[record.partition].append(work)
            if not work.done:
                self._stage.submit(work)

    def busy(self) -> bool:
        return any(self._lanes.values())

    def poll(self) -> Mapping[int, int]:
        """Publishes what is finished. After a failed transaction everything in flight is read again."""
        self._metrics.in_flight.set(self._in_flight())
        finished = self._finished()
        if not finished:
            return {}
        records = [self._outgoing(work) for work in finished]
        offsets = {(self._topics.offers, work.record.partition): work.record.offset + 1 for work in finished}
        try:
            self._transactions.publish(records, offsets, self._group.group_metadata())
        except (AbortedError, OutcomeUnknownError) as error:
            log.warning("starting again from the committed offsets: %s", error)
            return self._start_again()
        self._advance(finished)
        return {}

    def drain(self, deadline: float) -> None:
        """Photos that are still on their way at `deadline` are left to whoever takes over; nothing of them is committed."""
        while self.busy() and self._clock.monotonic() < deadline:
            if self.poll():
                return
            self._transactions.wait(0.01)

    def close(self) -> None:
        for lane in self._lanes.values():
            for work in lane:
                work.dropped = True
        self._stage.close()
        self._transactions.close()

    def _in_flight(self) -> int:
        return sum(map(len, self._lanes.values()))

    def _read(self, record: Record) -> Work:
        if record.value is None:
            return Work(record, None)
        try:
            offer, repairs = read_offer(record.key, record.value)
        except Unreadable as error:
            work = Work(record, None)
            work.result = Failure(stage="encoder", reason=error.reason, message=str(error))
            return work
        return Work(record, offer, repairs)

    def _finished(self) -> list[Work]:
        """The finished works at the head of every lane, in order."""
        finished: list[Work] = []
        for lane in self._lanes.values():
            for work in lane:
                if not work.done or len(finished) >= MAX_PUBLISHED:
                    break
                finished.append(work)
        return finished

    def _outgoing(self, work: Work) -> Outgoing:
        if isinstance(work.result, Failure):
            return dead_letter(work.record, work.result, topic=self._topics.dead_letters, now_ms=self._clock.now_ms())
        if isinstance(work.result, RawFeatures) and work.offer is not None:
            return features_record(
                work.record,
                work.offer,
                work.result,
                encoder=self._encoder,
                topic=self._topics.features,
                repairs=work.repairs,
                photo_failures=work.photo_failures(),
            )
        return withdrawn_record(work.record, topic=self._topics.features)

    def _advance(self, finished: Sequence[Work]) -> None:
        for work in finished:
            self._lanes[work.record.partition].popleft()
            if isinstance(work.result, Failure):
                self._metrics.dead_letters.labels(work.result.stage, work.result.reason).inc()
                log.warning("%s: dead letter (%s): %s", work.record.place, work.result.reason, work.result.message)
            else:
                self._metrics.encoded.inc()
            for field in work.repairs:
                self._metrics.repairs.labels(field).inc()

    def _start_again(self) -> Mapping[int, int]:
        self._transactions.init_again()
        rewinds = {}
        for partition, lane in self._lanes.items():
            for work in lane:
                work.dropped = True
            if lane:
                committed = self._group.committed(partition)
                rewinds[partition] = lane[0].record.offset if committed is None else committed
            lane.clear()
        return rewinds
