"""Watching the recall: one step a turn, a result on /metrics, and then a pause."""

from collections.abc import Iterator

from consumers.matching.probing import PROBE_EVERY, QUERIES, RecallWatch
from index_store.cells.recall import Probe
from matcher.metrics import Metrics
from tests.consumers.fakes import HandClock


class FakeMemory:
    """Needs three steps, and finds less each time."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.steps = 0

    def probe(self, queries: int, *, seed: int) -> Iterator[Probe | None]:
        self.asked.append((queries, seed))
        for result in (None, None, Probe(queries, 10, 1.0 - seed / 10)):
            self.steps += 1
            yield result


def test_it_takes_one_step_a_turn_then_shows_the_result_and_rests():
    memory, metrics, clock = FakeMemory(), Metrics(), HandClock()
    watch = RecallWatch(3, memory, metrics, clock)  # type: ignore[arg-type]

    def shown() -> float | None:
        return metrics.registry.get_sample_value("offermatch_index_recall_ratio", {"partition": "3"})

    steps = []
    for _ in range(4):
        watch.turn()
        steps.append(memory.steps)
    assert steps == [0, 1, 2, 3]
    assert shown() == 1.0
    clock.seconds += PROBE_EVERY - 1
    watch.turn()
    assert memory.asked == [(QUERIES, 0)]
    clock.seconds += 1
    for _ in range(5):
        watch.turn()
    assert memory.asked == [(QUERIES, 0), (QUERIES, 1)], "other offers the next time"
    assert shown() == 0.9
    metrics.forget_partition("offer-features", 3)
    assert shown() is None
