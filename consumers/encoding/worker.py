"""The encoder's work behind the loop: order per partition, one transaction for what is finished."""

import logging
import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from consumers.encoding.work import Fetching, Work
from consumers.limit import DeadLetterLimit, DeadLetterLimitError, notes_of
from consumers.refusals import Refusals
from matcher.clock import Clock
from matcher.encoding import RawFeatures
from matcher.events.dead_letter import Failure
from matcher.events.envelope import Outgoing, Record
from matcher.events.reading import Unreadable, read_key, read_offer
from matcher.metrics import Metrics
from matcher.settings import Topics
from producers.dead_letters import dead_letter_record
from producers.features import features_record, withdrawn_record
from producers.transaction import AbortedError, OutcomeUnknownError, RefusedError, Transactions

log = logging.getLogger(__name__)

#: Records, and bytes of their originals, in one transaction at most, so that it stays short.
MAX_PUBLISHED = 512
MAX_PUBLISHED_BYTES = 32 * 1024 * 1024
#: Seconds that mending may take before the loop polls again.
MEND_SLICE = 0.5


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
        limit: DeadLetterLimit,
        in_flight: int,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """`encoder` is the fingerprint that goes into every event. `in_flight`: records that are held at most."""
        self._stage = stage
        self._transactions = transactions
        self._group = group
        self._encoder = encoder
        self._topics = topics
        self._dead_letter_limit = limit
        self._limit = in_flight
        self._metrics = metrics
        self._clock = clock
        self._lanes: dict[int, deque[Work]] = {}
        self._fetching = Fetching()
        self._full: set[int] = set()
        self._refusals = Refusals("encoder")
        self._broken = False  # a transaction failed: nothing goes out before the log was asked what became of it

    def assigned(self, partition: int) -> int | None:
        self._lanes[partition] = deque()
        return None

    def revoked(self, partitions: Sequence[int], *, lost: bool) -> None:
        if not lost:
            try:
                self._publish_finished()
            except DeadLetterLimitError as error:  # the next owner will meet the same
                log.error("%s", error)
        self._dead_letter_limit.forget(partitions)
        for partition in partitions:
            if partition in self._lanes:  # not where taking it over failed
                self._drop(partition)
                del self._lanes[partition]
            self._full.discard(partition)

    def room(self, partition: int) -> int:
        """A partition may hold as much as is left free for all: one whose first photo is slow stops before the others.

        These are dynamic thresholds (Choudhury and Hahne, "Dynamic queue length thresholds", 1998). Pausing throws away
        what was fetched ahead, so a full partition first works off a half, and one that is nearly full counts as full:
        otherwise its room of one would have all others read one by one. Each record that comes is one more held and one
        less free, so that half of the difference is what may come at once.
        """
        if self._broken:
            return 0
        free = self._limit - self._in_flight()
        slack = free - len(self._lanes[partition])
        if slack <= 0 or 4 * slack < free:
            self._full.add(partition)
        elif 2 * slack >= free:
            self._full.discard(partition)
        return 0 if partition in self._full else (slack + 1) // 2

    def submit(self, records: Sequence[Record]) -> None:
        for record in records:
            work = self._read(record)
            self._fetching.take(work)
            self._lanes[record.partition].append(work)
            if not work.done:
                self._stage.submit(work)

    def busy(self) -> bool:
        return any(self._lanes.values())

    def poll(self) -> Mapping[int, int]:
        """Publishes what is finished. After a failed transaction everything in flight is read again."""
        rewinds: Mapping[int, int] = {}
        if self._broken:
            rewinds = self._mend()
        else:
            self._publish_finished()
        self._metrics.in_flight.set(self._in_flight())
        return rewinds

    def drain(self, deadline: float) -> None:
        """What is not published at `deadline`, or fails, is left to whoever takes over; nothing of it is committed."""
        while self.busy() and not self._broken and self._clock.monotonic() < deadline:
            self._publish_finished(until=deadline)
            self._transactions.wait(0.01)

    def close(self) -> None:
        for partition in self._lanes:
            self._drop(partition)
        self._stage.close()
        self._transactions.close()

    def _in_flight(self) -> int:
        return sum(map(len, self._lanes.values()))

    def _read(self, record: Record) -> Work:
        if (refused := self._refusals.failure(record.place)) is not None:
            work = Work(record, None)
            work.result = refused
            return work
        try:
            if record.value is None:
                read_key(record.key)
                return Work(record, None)
            offer, repairs = read_offer(record.key, record.value)
        except Unreadable as error:
            work = Work(record, None)
            work.result = Failure(stage="encoder", reason=error.reason, message=str(error))
            return work
        return Work(record, offer, repairs)

    def _finished(self) -> list[Work]:
        """The finished works at the head of every lane, in order, as many as one transaction takes.

        One that Kafka may refuse is taken alone.
        """
        if self._refusals:
            heads = [lane[0] for lane in self._lanes.values() if lane and lane[0].done]
            alone = [work for work in heads if self._refusals.suspects(work.record.place)]
            if alone:
                return alone[:1]
        finished: list[Work] = []
        size = 0
        for lane in self._lanes.values():
            for work in lane:
                if not work.done or len(finished) >= MAX_PUBLISHED or size >= MAX_PUBLISHED_BYTES:
                    break
                if self._refusals.suspects(work.record.place):
                    break
                finished.append(work)
                size += len(work.record.value or b"")
        return finished

    def _publish_finished(self, until: float = math.inf) -> None:
        """Raises `DeadLetterLimitError` instead of sending too many dead letters."""
        finished = self._finished()
        if not finished or self._broken:
            return
        try:
            tallies = self._dead_letter_limit.judge((work.record, work.failure) for work in finished)
        except TimeoutError as error:
            log.warning("still not knowing how many dead letters there were: %s", error)
            return
        sent = [work for work in finished if not work.superseded]
        records = [self._outgoing(work) for work in sent]
        offsets = {(self._topics.offers, work.record.partition): work.record.offset + 1 for work in finished}
        try:
            notes = notes_of(self._topics.offers, tallies)
            self._transactions.publish(records, offsets, self._group.group_metadata(), notes=notes, until=until)
        except (AbortedError, OutcomeUnknownError) as error:
            log.warning("what is in flight has to be read again: %s", error)
            self._broken = True
            if isinstance(error, RefusedError):
                self._refusals.take(error, [work.record.place for work in sent])
        else:
            self._dead_letter_limit.keep(tallies)
            for (topic, partition), offset in offsets.items():
                self._refusals.passed(topic, partition, offset)
            self._advance(finished)

    def _outgoing(self, work: Work) -> Outgoing:
        if isinstance(work.result, Failure):
            return dead_letter_record(
                work.record, work.result, topic=self._topics.dead_letters, now_ms=self._clock.now_ms()
            )
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
            self._fetching.forget(self._lanes[work.record.partition].popleft())
            if work.superseded:
                self._metrics.skipped.labels("superseded").inc()
                continue
            if isinstance(work.result, Failure):
                self._metrics.dead_letters.labels(work.result.stage, work.result.reason).inc()
                log.warning("%s: dead letter (%s): %s", work.record.place, work.result.reason, work.result.message)
            else:
                self._metrics.encoded.inc()
            for field in work.repairs:
                self._metrics.repairs.labels(field).inc()

    def _mend(self) -> Mapping[int, int]:
        """Starts again from the committed offsets, which it returns; none while Kafka does not answer."""
        if not self._transactions.init_again(MEND_SLICE):
            return {}
        rewinds = {}
        try:
            for partition, lane in self._lanes.items():
                if lane:
                    committed = self._group.committed(partition)
                    rewinds[partition] = lane[0].record.offset if committed is None else committed
        except TimeoutError as error:
            log.warning("still not knowing where to start again: %s", error)
            return {}
        for partition in rewinds:
            self._drop(partition)
        self._dead_letter_limit.forget(rewinds)
        self._broken = False
        log.info("starting again from the committed offsets: %s", rewinds)
        return rewinds

    def _drop(self, partition: int) -> None:
        lane = self._lanes[partition]
        for work in lane:
            work.dropped = True
            self._fetching.forget(work)
        lane.clear()
