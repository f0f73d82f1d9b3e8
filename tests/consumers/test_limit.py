"""The limit on dead letters: a process that would send everything there stops before it does, and stays stopped."""

from collections.abc import Callable, Iterable

import pytest
from confluent_kafka import Consumer
from hypothesis import given
from hypothesis import strategies as st

from consumers.limit import DeadLetterLimit, DeadLetterLimitError, Tally, notes_of, read_note, stay_visible
from consumers.loop import Loop
from consumers.status import Status
from matcher.clock import SystemClock
from matcher.events.dead_letter import Failure
from matcher.metrics import Metrics
from matcher.settings import DeadLetters, Kafka
from producers.topics import TopicPlan
from producers.transaction import Transactions
from tests.consumers.fakes import FakeBroker, HandClock, record

FAILURE = Failure(stage="encoder", reason="not_json", message="expected a JSON object")
RUN = DeadLetters(run=3, share=1)


class Log:
    """A partition whose records are read batch by batch, by one process after another; the notes are in the log."""

    def __init__(self, settings: DeadLetters) -> None:
        self.settings = settings
        self.broker = FakeBroker()
        self.metrics = Metrics()
        self.committed = 0
        self.restart()

    def restart(self) -> None:
        self.limit = DeadLetterLimit(self.settings, "offers", self.broker, self.metrics)

    def commit(self, dead: Iterable[bool], partition: int = 0) -> None:
        """One batch; a dead letter is True."""
        batch = [
            (record(self.committed + n, b"", partition=partition), FAILURE if d else None) for n, d in enumerate(dead)
        ]
        tallies = self.limit.judge(batch)
        self.broker.notes |= notes_of("offers", tallies)
        self.limit.keep(tallies)
        self.committed += len(batch)


def test_so_many_in_a_row_are_let_through_and_no_more():
    log = Log(RUN)
    log.commit([True, True, True])
    with pytest.raises(DeadLetterLimitError):
        log.commit([True])
    assert log.committed == 3


def test_the_batch_that_would_go_beyond_is_not_committed_at_all():
    log = Log(RUN)
    log.commit([True, True])
    with pytest.raises(DeadLetterLimitError, match=r"offers/0, the last at offset 3 \(encoder: not_json"):
        log.commit([True, True, False])
    assert log.committed == 2


def test_one_good_record_between_them_begins_the_count_anew():
    log = Log(RUN)
    for _ in range(5):
        log.commit([True, True, False, True])


def test_partitions_are_counted_each_for_itself():
    log = Log(RUN)
    log.commit([True, True, True], partition=0)
    log.commit([True, True, True], partition=1)
    with pytest.raises(DeadLetterLimitError, match="offers/1"):
        log.commit([True], partition=1)


def test_restarts_do_not_let_another_batch_through():
    log = Log(RUN)
    for _ in range(3):
        log.commit([True])
        log.restart()
    for _ in range(5):
        with pytest.raises(DeadLetterLimitError):
            log.commit([True])
        log.restart()
    assert log.committed == 3
    log.commit([False, True])


def test_a_share_beyond_the_limit_stops_it_too_and_a_few_do_not():
    log = Log(DeadLetters(run=0, share=0.5, window=100))
    for _ in range(40):
        log.commit([True, False, False, False, False])

    def two_of_three() -> None:
        for _ in range(100):
            log.commit([True, True, False])
            log.restart()

    with pytest.raises(DeadLetterLimitError, match="more than 50% of the last records"):
        two_of_three()
    committed = log.committed
    log.restart()
    with pytest.raises(DeadLetterLimitError):
        log.commit([True, True, False])
    assert log.committed == committed


def test_all_of_the_first_records_may_fail_where_they_are_few():
    """A share says little about a handful: that is what the run is for."""
    Log(DeadLetters(run=0, share=0.5, window=100)).commit([True] * 68)


def test_the_limits_can_be_switched_off():
    log = Log(DeadLetters(run=0, share=1, window=10))
    for _ in range(20):
        log.commit([True] * 100)


@given(st.lists(st.booleans(), max_size=60), st.lists(st.integers(1, 60), max_size=10), st.integers(1, 8))
def test_where_it_stops_does_not_depend_on_batches_and_restarts(dead: list[bool], cuts: list[int], run: int):
    settings = DeadLetters(run=run, share=0.6, window=10)

    def stops_at(sizes: list[int]) -> int | None:
        log = Log(settings)
        left = list(dead)
        for size in [*sizes, len(dead)]:
            batch, left = left[:size], left[size:]
            try:
                log.commit(batch)
            except DeadLetterLimitError as error:
                return int(str(error).partition("the last at offset ")[2].split()[0])
            log.restart()
        return None

    assert stops_at(cuts) == stops_at([1] * len(dead))


def test_the_message_says_how_to_go_on():
    log = Log(RUN)
    with pytest.raises(DeadLetterLimitError, match="OFFERMATCH_DEAD_LETTERS_RUN to a higher number"):
        log.commit([True] * 4)
    shared = Log(DeadLetters(run=0, share=0.1, window=10))
    with pytest.raises(DeadLetterLimitError, match="OFFERMATCH_DEAD_LETTERS_SHARE higher"):
        shared.commit([True] * 4)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "committed by hand",
        "[]",
        '{"run": -1}',
        '{"share": 2}',
        '{"run": "x"}',
        "\ud800",
        '{"run": ' + "9" * 400 + "}",
        '{"x": ' + "[" * 3_000 + "]" * 3_000 + "}",
    ],
    ids=lambda note: note[:20],
)
def test_a_note_of_somebody_else_counts_as_none(note: str):
    assert read_note(note) == Tally()


def test_the_metrics_show_how_near_it_is_and_forget_a_partition_that_is_gone():
    log = Log(RUN)
    log.commit([False, True, True])
    labels = {"topic": "offers", "partition": "0"}
    assert log.metrics.registry.get_sample_value("offermatch_dead_letter_run_records", labels) == 2
    assert log.metrics.registry.get_sample_value("offermatch_dead_letter_share_ratio", labels) > 0
    log.metrics.forget_partition("offers", 0)
    assert log.metrics.registry.get_sample_value("offermatch_dead_letter_run_records", labels) is None


@pytest.mark.parametrize(("asked_after", "stayed"), [(1_000.0, 30.0), (5.0, 5.0), (0.0, 0.0)])
def test_the_alarm_can_be_seen_for_a_while_unless_somebody_stops_the_process(asked_after: float, stayed: float):
    clock, metrics = HandClock(), Metrics()
    status = Status(metrics, clock, 10.0, ["assigned"])
    status.set("assigned", True)
    begun = clock.seconds
    seen = []

    def wait(seconds: float) -> None:
        seen.append(
            (metrics.registry.get_sample_value("offermatch_dead_letter_limit_reached"), status.ready, status.alive)
        )
        clock.seconds += seconds

    stay_visible(
        DeadLetterLimitError("too many"), 30.0, lambda: clock.seconds >= begun + asked_after,
        status=status, metrics=metrics, clock=clock, wait=wait,
    )  # fmt: skip
    assert clock.seconds - begun == pytest.approx(stayed, abs=0.2)
    assert set(seen) <= {(1.0, False, True)}


@pytest.mark.kafka
def test_what_was_counted_is_committed_with_the_offsets_and_found_by_the_next_process(
    kafka: str, topics: TopicPlan, unique_name: Callable[[str], str]
):
    group, clock = unique_name("group"), SystemClock()
    settings, metrics = Kafka(bootstrap=kafka), Metrics()
    place = (topics.offers, 1)
    notes = notes_of(topics.offers, {1: Tally(3, 0.25)})
    transactions = Transactions(settings, unique_name("id"), metrics, clock)
    transactions.init()
    member = Consumer({"bootstrap.servers": kafka, "group.id": group})
    transactions.publish([], {place: 7}, member.consumer_group_metadata(), notes=notes)
    transactions.close()
    member.close()
    status = Status(metrics, clock, 60.0, ["assigned"])
    loop = Loop(settings, group, topics.offers, status=status, metrics=metrics, clock=clock, batch=1)
    assert loop.committed(1) == 7
    assert read_note(loop.note(1)) == Tally(3, 0.25)
    assert read_note(loop.note(0)) == Tally(), "nothing was committed there"
    loop._consumer.close()
