"""One partition in the hands of this matcher: take it over, then decide batches, while those before are committed."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from consumers.limit import DeadLetterLimit, Tally, notes_of
from consumers.matching.counting import Counting
from consumers.matching.expiring import Expiring
from consumers.matching.flight import Batch, Flight
from consumers.matching.follower import Follower
from consumers.matching.pace import Pace
from consumers.matching.probing import RecallWatch
from consumers.refusals import Refusals
from matcher.clock import Clock
from matcher.deciding.batch import Refused, decide_batch
from matcher.deciding.overlay import Overlay
from matcher.deciding.steps import Step, place_of
from matcher.events.envelope import Outgoing, Record
from matcher.memory import Memory
from matcher.metrics import Metrics
from matcher.model.bundle import Bundle
from matcher.settings import Settings
from producers.decisions import decision_records
from producers.transaction import AbortedError, FencedError, OutcomeUnknownError, RefusedError, Transactions

log = logging.getLogger(__name__)

Tallies = Mapping[int, Tally]


class Group(Protocol):
    """What a partition asks of the loop that drives it."""

    def group_metadata(self) -> Any: ...

    def committed(self, partition: int) -> int | None: ...

    def note(self, partition: int) -> str: ...


class OwnedPartition:
    """State, index and producer of one partition.

    Taking over: fence the predecessor, ask for the committed offset, follow the log up to it, decide from there.
    """

    def __init__(
        self,
        number: int,
        *,
        settings: Settings,
        bundle: Bundle,
        memory: Memory,
        group: Group,
        metrics: Metrics,
        clock: Clock,
        beside: bool = False,
        make_transactions: type[Transactions] | None = None,
    ) -> None:
        """`beside`: transactions are committed and applied while the next batch is decided (see `Flight.send`)."""
        self.number = number
        self._beside = beside
        self._settings = settings
        self._topics = settings.topics
        self._bundle = bundle
        self._memory = memory
        self._group = group
        self._metrics = metrics
        self._clock = clock
        self._transactions = (make_transactions or Transactions)(
            settings.kafka, f"{settings.matcher.group}-{settings.topics.features}-{number}", metrics, clock
        )
        self._counting = Counting(number, memory, bundle, metrics, clock)
        self._limit = DeadLetterLimit(settings.dead_letters, self._topics.features, group, metrics)
        self._flight: Flight[Tallies] = Flight()
        self._refusals = Refusals("matcher")
        self._pace = Pace(settings.kafka, settings.matcher.batch_size, clock)
        self._follower: Follower | None = None
        self._expiring = Expiring(memory, settings.matcher.batch_size, clock)
        self._recall = RecallWatch(number, memory, metrics, clock)

    def take_over(self) -> int:
        """Fences whoever had it and starts to follow; returns the offset from which this process decides."""
        self._transactions.init()
        return self._begin_following()

    def recover(self, seconds: float) -> int | None:
        """After a transaction that failed or was not answered: only the log knows. Returns where to read on.

        Tries for about `seconds`; None means to call it again. Fences whoever uses the partition's transactional id
        now: only the partition's owner may do so.
        """
        if not self._transactions.init_again(seconds):
            return None
        try:
            return self._begin_following()
        except TimeoutError as error:
            log.warning("partition %d: still not knowing where to read on: %s", self.number, error)
            return None

    def _begin_following(self) -> int:
        start = self._group.committed(self.number)
        self._limit.forget([self.number])
        if start is None:
            # No offset yet, or Kafka forgot it. Whatever was decided is on `matches`, which is followed to its end, and
            # is recognised by its version: reading it again publishes nothing.
            start = self._memory.positions().get((self._topics.features, self.number), 0)
        self._follower = Follower(
            self._settings.kafka,
            self._settings.matcher.group,
            self._topics,
            self.number,
            until=start,
            memory=self._memory,
            bundle=self._bundle,
            clock=self._clock,
        )
        return start

    @property
    def following(self) -> bool:
        return self._follower is not None

    def follow(self, seconds: float) -> None:
        """Follows for about `seconds`; does nothing once caught up."""
        if self._follower is not None and self._follower.step(seconds):
            self._follower.close()
            self._follower = None
            self._counting.measure()

    @property
    def room(self) -> int:
        """How many more records may be decided for the next transaction (see `Pace`).

        One alone while Kafka may refuse some.
        """
        if self._refusals:
            return 0 if self._flight else 1
        return self._pace.records - self._flight.ready

    @property
    def in_flight(self) -> bool:
        """Whether something is decided and not applied yet."""
        return len(self._flight) > 0

    def decide(self, records: Sequence[Record], until: float = math.inf) -> None:
        """Decides a batch as if all before it were applied. It goes out at once, or once the one under way has.

        Raises what `advance` raises.
        """
        with self._pace.batch(len(records)):
            refused = self._refusals.failure(records[0].place)
            if refused is not None:
                steps: Sequence[Step] = (Refused(records[0], refused),)
            else:
                before = Overlay(self._memory, self._flight.steps) if self.in_flight else self._memory
                steps = decide_batch(records, before, self._bundle, self._metrics)
            self._flight.add(records, steps, records[-1].offset + 1)
            self.advance(0, until)

    def tend(self) -> None:
        """What is due between two batches: see `expire`, and a step of watching the recall. Raises as `expire`."""
        self.expire()
        self._recall.turn()

    def expire(self) -> None:
        """Lets offers go that were not seen again in time, some at once, as if they had been withdrawn now.

        The transaction commits the offset where it stands: only the owner of the partition can. Raises what `advance`
        raises; nothing has left then.
        """
        if self._flight.of_no_record:
            return
        due = self._expiring.due()
        changed = Overlay(self._memory, self._flight.steps).changed if due else frozenset()
        steps = [one for one in due if one.offer_id not in changed]
        if steps:
            end = self._flight.end
            if end is None:
                end = self._memory.positions()[self._topics.features, self.number]
            self._flight.add((), steps, end)
            self.advance(0)

    def advance(self, seconds: float, until: float = math.inf) -> None:
        """Waits up to `seconds` for the transaction under way to be committed and applied, then starts the next one.

        None is started at `until` (the clock's monotonic time) or later, and none takes longer. Raises what
        `Transactions.publish` raises, `DeadLetterLimitError`, and what keeps a batch from being applied; then nothing
        is in flight any more, and nothing that was decided after what failed has been published.
        """
        try:
            self._take_landed(seconds)
            batch = self._flight.next()
            if batch is not None and self._clock.monotonic() < until:
                self._send(batch, until)
                self._take_landed(0)
        except BaseException:
            self._flight.drop()
            raise

    def _send(self, batch: Batch, until: float) -> None:
        """What it counts as dead letters follows from what is committed, so it is judged no earlier than here."""
        failures = {step.record.offset: step.failure for step in batch.steps if isinstance(step, Refused)}
        judged = self._limit.judge((record, failures.get(record.offset)) for record in batch.records)
        tallies = {**self._limit.kept(self.number), **judged}
        outgoing = [
            (step, record)
            for step in batch.steps
            for record in decision_records([step], partition=self.number, topics=self._topics, clock=self._clock)
        ]
        metadata, decided_ms = self._group.group_metadata(), self._clock.now_ms()
        self._flight.send(
            lambda: self._publish(batch, outgoing, tallies, metadata, decided_ms, until), beside=self._beside
        )

    def _publish(  # noqa: PLR0917 - all that belongs to one batch
        self,
        batch: Batch,
        outgoing: Sequence[tuple[Step, Outgoing]],
        tallies: Tallies,
        metadata: Any,
        decided_ms: int,
        until: float,
    ) -> Tallies:
        """Publishes a batch (see `Transactions.publish`) and applies it; in the thread of the flight, if beside."""
        place = (self._topics.features, self.number)
        notes = notes_of(self._topics.features, tallies)
        records = [record for _, record in outgoing]
        try:
            ends = self._transactions.publish(records, {place: batch.end}, metadata, notes=notes, until=until)
        except RefusedError as error:
            self._refusals.take(error, [place_of(step) for step, _ in outgoing])
            raise
        with self._metrics.stage("apply").time():
            positions = {place: batch.end}
            written = ends.get((self._topics.matches, self.number))
            if written is not None:
                positions[self._topics.matches, self.number] = written
            self._memory.apply_steps(batch.steps, positions, dict.fromkeys(positions, decided_ms))
        return tallies

    def _take_landed(self, seconds: float | None) -> None:
        landed = self._flight.landed(seconds)
        if landed is not None:
            batch, tallies = landed
            self._limit.keep(tallies)
            self._refusals.passed(self._topics.features, self.number, batch.end)
            self._counting.count(batch)

    def settle(self) -> None:
        """Sees the transaction under way through, for as long as it and applying it may take.

        Then nothing is in flight: what was decided behind it is dropped, and decided again by whoever is next.
        """
        self._flight.drop()
        try:
            self._take_landed(None)
        except (AbortedError, OutcomeUnknownError, FencedError) as error:
            log.warning("partition %d: left to whoever is next: %s", self.number, error)

    def release(self) -> Memory:
        """Settles what is in flight, ends following, lets the producer go and hands over the memory, still open."""
        try:
            self.settle()
        finally:
            if self._follower is not None:
                self._follower.close()
                self._follower = None
            self._transactions.close()
        return self._memory

    def close(self) -> None:
        """As `release`, and frees the state."""
        try:
            self.release()
        finally:
            self._memory.close()
