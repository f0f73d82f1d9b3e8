"""How much the searches of a running matcher miss: looked at now and then, a few milliseconds between two batches."""

import math
from collections.abc import Iterator

from index_store.cells.recall import Probe
from matcher.clock import Clock
from matcher.memory import Memory
from matcher.metrics import Metrics

#: Seconds from one result to the next comparison.
PROBE_EVERY = 300.0
#: Offers that are searched for in one comparison, each for the ten nearest.
QUERIES = 32


class RecallWatch:
    """Keeps the recall of one partition's index on `/metrics`; nothing where a cluster holds the index."""

    def __init__(self, partition: int, memory: Memory, metrics: Metrics, clock: Clock) -> None:
        self._partition = partition
        self._memory = memory
        self._metrics = metrics
        self._clock = clock
        self._running: Iterator[Probe | None] = iter(())
        self._next = -math.inf
        self._probes = 0

    def turn(self) -> None:
        """One step of a comparison, if one is under way or due."""
        for found in self._running:
            if found is not None:
                self._metrics.index_recall.labels(str(self._partition)).set(found.recall)
            return
        if self._clock.monotonic() >= self._next:
            self._next = self._clock.monotonic() + PROBE_EVERY
            # Others each time, so that a part of the index that is searched badly does not stay unseen.
            self._running = self._memory.probe(QUERIES, seed=self._probes)
            self._probes += 1
