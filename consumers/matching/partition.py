"""One partition in the hands of this matcher: take it over, then decide its batches, one transaction each."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from consumers.limit import DeadLetterLimit, Tally, notes_of
from consumers.matching.expiring import Expiring
from consumers.matching.follower import Follower
from consumers.matching.probing import RecallWatch
from consumers.refusals import Refusals
from matcher.clock import Clock
from matcher.deciding.batch import Decided, Gone, Refused, Skipped, Step, decide_batch
from matcher.deciding.conditions import Conditions
from matcher.deciding.steps import place_of
from matcher.events.envelope import Record
from matcher.memory import Memory
from matcher.metrics import Metrics
from matcher.model.bundle import Bundle
from matcher.settings import Settings
from producers.decisions import decision_records
from producers.transaction import RefusedError, Transactions

log = logging.getLogger(__name__)


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
    ) -> None:
        self.number = number
        self._settings = settings
        self._topics = settings.topics
        self._bundle = bundle
        self._memory = memory
        self._group = group
        self._metrics = metrics
        self._clock = clock
        self._transactions = Transactions(
            settings.kafka, f"{settings.matcher.group}-{settings.topics.features}-{number}", metrics, clock
        )
        self._conditions = Conditions(bundle, metrics)
        self._limit = DeadLetterLimit(settings.dead_letters, self._topics.features, group, metrics)
        self._refusals = Refusals("matcher")
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

    def position(self) -> int:
        """The offset of the first record of features that the state has not applied."""
        return self._memory.positions().get((self._topics.features, self.number), 0)

    def _begin_following(self) -> int:
        start = self._group.committed(self.number)
        self._limit.forget([self.number])
        if start is None:
            # No offset yet, or Kafka forgot it. Whatever was decided is on `matches`, which is followed to its end, and
            # is recognised by its version: reading it again publishes nothing.
            start = self.position()
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
            self._measure()

    @property
    def room(self) -> int:
        """How many records the next batch may have: one alone while Kafka may refuse some."""
        return 1 if self._refusals else self._settings.matcher.batch_size

    def decide(self, records: Sequence[Record], until: float = math.inf) -> None:
        """Decides a batch, publishes it (see `Transactions.publish`), and applies it when it is committed.

        Raises what `Transactions.publish` raises, and `DeadLetterLimitError`; nothing has been applied then.
        """
        refused = self._refusals.failure(records[0].place)
        if refused is None:
            steps = decide_batch(records, self._memory, self._bundle, self._metrics)
        else:
            steps = [Refused(records[0], refused)]
        failures = {step.record.offset: step.failure for step in steps if isinstance(step, Refused)}
        tallies = self._limit.judge((record, failures.get(record.offset)) for record in records)
        self._commit(steps, records[-1].offset + 1, tallies, until)
        self._limit.keep(tallies)
        self._refusals.passed(self._topics.features, self.number, records[-1].offset + 1)
        self._count(steps)

    def tend(self) -> None:
        """What is due between two batches: see `expire`, and a step of watching the recall. Raises as `expire`."""
        self.expire()
        self._recall.turn()

    def expire(self) -> None:
        """Lets offers go that were not seen again in time, some at once, as if they had been withdrawn.

        The transaction commits the offset where it stands: only the owner of the partition can. Raises what
        `Transactions.publish` raises; nothing has left then.
        """
        steps = self._expiring.due()
        if steps:
            end = self._memory.positions()[self._topics.features, self.number]
            self._commit(steps, end, self._limit.kept(self.number))
            self._metrics.expired.inc(len(steps))
            self._measure()

    def _commit(self, steps: Sequence[Step], end: int, tallies: Mapping[int, Tally], until: float = math.inf) -> None:
        """Publishes with `end` as the offset to go on from; then applies."""
        outgoing = [
            (step, record)
            for step in steps
            for record in decision_records([step], partition=self.number, topics=self._topics, clock=self._clock)
        ]
        place = (self._topics.features, self.number)
        notes = notes_of(self._topics.features, tallies)
        metadata = self._group.group_metadata()
        decided_ms = self._clock.now_ms()
        records = [record for _, record in outgoing]
        try:
            ends = self._transactions.publish(records, {place: end}, metadata, notes=notes, until=until)
        except RefusedError as error:
            self._refusals.take(error, [place_of(step) for step, _ in outgoing])
            raise
        with self._metrics.stage("apply").time():
            positions = {place: end}
            written = ends.get((self._topics.matches, self.number))
            if written is not None:
                positions[self._topics.matches, self.number] = written
            self._memory.apply_steps(steps, positions, dict.fromkeys(positions, decided_ms))

    def release(self) -> Memory:
        """Ends following, lets the producer go and hands over the memory, which stays open."""
        if self._follower is not None:
            self._follower.close()
            self._follower = None
        self._transactions.close()
        return self._memory

    def close(self) -> None:
        self.release().close()

    def _count(self, steps: Sequence[Step]) -> None:
        now = self._clock.now_ms()
        self._metrics.batch_offers.observe(len(steps))
        for step in steps:
            if isinstance(step, Decided):
                self._metrics.decided.labels(step.decision.outcome).inc()
                seconds = (now - (step.arrival.seen.time_ms or now)) / 1000
                self._metrics.event_to_decision.observe(max(0.0, seconds))
            elif isinstance(step, Gone):
                self._metrics.decided.labels("gone").inc()
            elif isinstance(step, Skipped):
                self._metrics.skipped.labels(step.why).inc()
            elif isinstance(step, Refused):
                self._metrics.dead_letters.labels(step.failure.stage, step.failure.reason).inc()
                log.warning("%s: dead letter (%s): %s", step.record.place, step.failure.reason, step.failure.message)
        decisions = [step.decision for step in steps if isinstance(step, Decided)]
        self._conditions.observe([decision.probability for decision in decisions], len(self._memory))
        self._measure()

    def _measure(self) -> None:
        self._metrics.index_offers.labels(str(self.number)).set(len(self._memory))
        self._metrics.index_bytes.labels(str(self.number)).set(self._memory.index_bytes())
        self._metrics.state_busy.labels(str(self.number)).set(self._memory.state_seconds())
