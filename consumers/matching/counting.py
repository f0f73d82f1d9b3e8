"""What is told of the batches that a partition has applied: counters, conditions and sizes on `/metrics`."""

import logging

from consumers.matching.flight import Batch
from matcher.clock import Clock
from matcher.deciding.batch import Decided, Gone, Refused, Skipped
from matcher.deciding.conditions import Conditions
from matcher.deciding.steps import Expired
from matcher.memory import Memory
from matcher.metrics import Metrics
from matcher.model.bundle import Bundle

log = logging.getLogger(__name__)


class Counting:
    """Of one partition; all calls come from the loop's thread."""

    def __init__(self, partition: int, memory: Memory, bundle: Bundle, metrics: Metrics, clock: Clock) -> None:
        self._partition = str(partition)
        self._memory = memory
        self._metrics = metrics
        self._clock = clock
        self._conditions = Conditions(bundle, metrics)

    def count(self, batch: Batch) -> None:
        """Takes note of a batch that is published and applied, and of what its dead letters say."""
        now = self._clock.now_ms()
        if batch.records:
            self._metrics.batch_offers.observe(len(batch.records))
        for step in batch.steps:
            if isinstance(step, Decided):
                self._metrics.decided.labels(step.decision.outcome).inc()
                seconds = (now - (step.arrival.seen.time_ms or now)) / 1000
                self._metrics.event_to_decision.observe(max(0.0, seconds))
            elif isinstance(step, Gone):
                self._metrics.decided.labels("gone").inc()
            elif isinstance(step, Expired):
                self._metrics.expired.inc()
            elif isinstance(step, Skipped):
                self._metrics.skipped.labels(step.why).inc()
            elif isinstance(step, Refused):
                self._metrics.dead_letters.labels(step.failure.stage, step.failure.reason).inc()
                log.warning("%s: dead letter (%s): %s", step.record.place, step.failure.reason, step.failure.message)
        decisions = [step.decision for step in batch.steps if isinstance(step, Decided)]
        self._conditions.observe([decision.probability for decision in decisions], len(self._memory))
        self.measure()

    def measure(self) -> None:
        """Sizes of the index, and the time spent with the state."""
        self._metrics.index_offers.labels(self._partition).set(len(self._memory))
        self._metrics.index_bytes.labels(self._partition).set(self._memory.index_bytes())
        self._metrics.state_busy.labels(self._partition).set(self._memory.state_seconds())
