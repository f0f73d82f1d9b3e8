"""The loop: who is read, who is paused, what is committed in whose name, and how it ends."""

import threading
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

import consumers.loop
import consumers.membership
from consumers.loop import LogDataLostError, Loop
from consumers.membership import PATIENCE
from consumers.status import Status
from consumers.worker import LATER, Later
from matcher.events.envelope import Record
from matcher.metrics import Metrics
from matcher.settings import Kafka
from producers.transaction import NotOwnerError
from tests.consumers.fakes import HandClock

TOPIC = "offers"


def message(partition: int, offset: int, error: int | None = None) -> Any:
    found = None if error is None else KafkaError(error)
    return SimpleNamespace(
        error=lambda: found, topic=lambda: TOPIC, partition=lambda: partition, offset=lambda: offset,
        key=lambda: b"k", value=lambda: b"v", headers=lambda: None, timestamp=lambda: (1, 1_000),
    )  # fmt: skip


class FakeConsumer:
    """Hands out what the test queued, and remembers what it was told."""

    silent = False

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.queue: list[Any] = []
        self.callbacks: dict[str, Any] = {}
        self.paused: set[int] = set()
        self.assigned: dict[int, int] = {}
        self.seeks: list[tuple[int, int]] = []
        self.committed_offset = 40
        self.member = "member-1"
        self.high = 100
        self.starting = False
        self.closed = False
        self.asked_for: list[int] = []

    def subscribe(self, topics: list[str], **callbacks: Any) -> None:
        assert topics == [TOPIC]
        self.callbacks = callbacks

    def poll(self, timeout: float) -> Any:
        assert timeout > 0, "the loop would spin"
        self.asked_for.append(1)
        return next(iter(self._take(1)), None)

    def consume(self, count: int, timeout: float) -> list[Any]:
        assert timeout == 0, "it would wait until there are as many"
        self.asked_for[-1] += count
        return self._take(count)

    def _take(self, count: int) -> list[Any]:
        """Callbacks come between messages, while the loop waits for them."""
        messages: list[Any] = []
        while self.queue and len(messages) < count:
            entry = self.queue.pop(0)
            if callable(entry):
                entry()
            else:
                messages.append(entry)
        return messages

    def give(self, kind: str, *partitions: int) -> None:
        self.callbacks[kind](self, [TopicPartition(TOPIC, number) for number in partitions])

    def incremental_assign(self, partitions: Sequence[TopicPartition]) -> None:
        self.assigned |= {p.partition: p.offset for p in partitions}

    def incremental_unassign(self, partitions: Sequence[TopicPartition]) -> None:
        for partition in partitions:
            del self.assigned[partition.partition]

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        self.paused |= {p.partition for p in partitions}

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        self.paused -= {p.partition for p in partitions}

    def seek(self, partition: TopicPartition) -> None:
        if self.starting:
            raise KafkaException(KafkaError(KafkaError._STATE))
        self.seeks.append((partition.partition, partition.offset))

    def committed(self, partitions: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        if isinstance(self.committed_offset, Exception):
            raise self.committed_offset
        return [TopicPartition(p.topic, p.partition, self.committed_offset) for p in partitions]

    def consumer_group_metadata(self) -> str:
        return "metadata"

    def list_topics(self, topic: str, timeout: float) -> None:
        if self.silent:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    def memberid(self) -> str:
        return self.member

    def get_watermark_offsets(self, partition: TopicPartition, cached: bool) -> tuple[int, int]:
        return 0, self.high

    def close(self) -> None:
        self.closed = True
        if self.assigned:
            self.give("on_revoke", *self.assigned)


class FakeWorker:
    def __init__(self) -> None:
        self.rooms: dict[int, int] = {}
        self.starts: dict[int, int | Later | None] = {}
        self.taken: list[tuple[int, int]] = []
        self.given_up: list[tuple[list[int], bool]] = []
        self.rewinds: dict[int, int] = {}
        self.drained: list[float] = []
        self.closed = 0

    def assigned(self, partition: int) -> int | Later | None:
        return self.starts.get(partition)

    def revoked(self, partitions: Sequence[int], *, lost: bool) -> None:
        self.given_up.append((list(partitions), lost))

    def room(self, partition: int) -> int:
        return self.rooms.get(partition, 10)

    def submit(self, records: Sequence[Record]) -> None:
        self.taken += [(record.partition, record.offset) for record in records]

    def poll(self) -> dict[int, int]:
        rewinds, self.rewinds = self.rewinds, {}
        return rewinds

    def busy(self) -> bool:
        return False

    def drain(self, deadline: float) -> None:
        self.drained.append(deadline)

    def close(self) -> None:
        self.closed += 1


class Bench:
    def __init__(self) -> None:
        self.clock, self.metrics, self.worker = HandClock(), Metrics(), FakeWorker()
        self.status = Status(self.metrics, self.clock, 60.0, ["assigned"])
        self.loop = Loop(Kafka(), "group", TOPIC, status=self.status, metrics=self.metrics, clock=self.clock, batch=100)
        self.consumer: FakeConsumer = self.loop._consumer

    def run(self, *turns: Any) -> None:
        """One turn for each entry; an entry is what the consumer finds in that turn."""
        left: Iterator[Any] = iter(turns)

        def stopping() -> bool:
            entry = next(left, None)
            if entry is None:
                return True
            self.consumer.queue += entry
            return False

        self.loop.run(self.worker, stopping, drain=7.0)

    def assign(self, *partitions: int) -> Any:
        return lambda: self.consumer.give("on_assign", *partitions)

    def lag(self, partition: int) -> float | None:
        labels = {"topic": TOPIC, "partition": str(partition)}
        return self.metrics.registry.get_sample_value("offermatch_consumer_lag_records", labels)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(consumers.loop, "Consumer", FakeConsumer)
    monkeypatch.setattr(consumers.membership, "Consumer", FakeConsumer)
    return Bench()


def test_it_sees_committed_records_only_and_never_skips_what_was_deleted_unread(bench: Bench):
    config = bench.consumer.config
    assert (config["isolation.level"], config["auto.offset.reset"], config["enable.auto.commit"]) == (
        "read_committed", "error", False,
    )  # fmt: skip


def test_a_partition_starts_where_the_worker_says_else_where_the_group_stands_else_at_the_beginning(bench: Bench):
    bench.worker.starts = {0: 17}
    bench.run(
        [bench.assign(0, 1)],
        [lambda: setattr(bench.consumer, "committed_offset", -1001), bench.assign(2)],
        [check(lambda: bench.consumer.assigned == {0: 17, 1: 40, 2: OFFSET_BEGINNING})],
    )


def check(condition: Any) -> Any:
    def entry() -> None:
        assert condition()

    return entry


def test_records_go_to_the_worker_and_those_of_partitions_that_went_away_do_not(bench: Bench):
    bench.run(
        [bench.assign(0, 1)],
        [message(0, 40), message(1, 50), lambda: bench.consumer.give("on_revoke", 1)],
        [message(1, 51), message(0, 41)],
    )
    assert bench.worker.taken == [(0, 40), (0, 41)]
    assert bench.metrics.registry.get_sample_value("offermatch_records_consumed_total", {"topic": TOPIC}) == 2


def test_it_never_reads_more_than_there_is_room_for(bench: Bench):
    bench.worker.rooms = {0: 3, 1: 7, 2: 0}
    bench.run([bench.assign(0, 1, 2)], [message(0, offset) for offset in range(40, 45)])
    assert bench.consumer.asked_for == [1, 3]
    assert bench.worker.taken == [(0, 40), (0, 41), (0, 42)]


def test_a_partition_without_room_is_paused_and_read_again_when_it_has_some(bench: Bench):
    bench.worker.rooms = {0: 0, 1: 5}
    bench.run(
        [bench.assign(0, 1)],
        [check(lambda: bench.consumer.paused == {0}), lambda: bench.worker.rooms.update({0: 1})],
        [check(lambda: bench.consumer.paused == set())],
    )


def test_a_pause_does_not_outlive_the_assignment_that_it_was_made_in(bench: Bench):
    """librdkafka keeps it: the partition would never be read again when it comes back."""
    bench.worker.rooms = {0: 0}
    bench.run(
        [bench.assign(0)],
        [check(lambda: bench.consumer.paused == {0}), lambda: bench.consumer.give("on_lost", 0)],
        [bench.worker.rooms.clear, bench.assign(0)],
        [check(lambda: bench.consumer.paused == set())],
    )


def test_what_failed_is_read_again_if_it_is_still_ours(bench: Bench):
    bench.run([bench.assign(0)], [lambda: bench.worker.rewinds.update({0: 12, 5: 99})], [])
    assert bench.consumer.seeks == [(0, 12)]


def test_what_the_worker_cannot_place_yet_is_not_read_until_it_does(bench: Bench):
    bench.worker.starts = {0: LATER}
    bench.run(
        [bench.assign(0, 1), check(lambda: bench.consumer.paused == {0}), message(0, 0), message(1, 40)],
        [check(lambda: bench.consumer.paused == {0}), message(0, 1), lambda: bench.worker.rewinds.update({0: 70})],
        [check(lambda: bench.lag(0) == 30)],
        [check(lambda: bench.consumer.paused == set()), message(0, 70)],
    )
    assert bench.consumer.seeks == [(0, 70)]
    assert bench.worker.taken == [(1, 40), (0, 70)]


def test_what_librdkafka_has_not_begun_with_is_placed_as_soon_as_it_has(bench: Bench):
    bench.worker.starts = {0: LATER}
    bench.consumer.starting = True
    bench.run(
        [bench.assign(0), lambda: bench.worker.rewinds.update({0: 70})],
        [check(lambda: bench.consumer.paused == {0}), message(0, 0)],
        [lambda: setattr(bench.consumer, "starting", False)],
        [],
        [check(lambda: bench.consumer.paused == set()), message(0, 70)],
    )
    assert bench.consumer.seeks == [(0, 70)]
    assert bench.worker.taken == [(0, 70)]


def test_what_went_away_before_it_was_placed_is_placed_nowhere(bench: Bench):
    bench.worker.starts = {0: LATER}
    bench.run(
        [bench.assign(0)],
        [lambda: bench.consumer.give("on_lost", 0), lambda: bench.worker.rewinds.update({0: 70})],
        [lambda: bench.worker.starts.update({0: 17}), bench.assign(0)],
        [check(lambda: bench.consumer.paused == set()), message(0, 17)],
    )
    assert bench.consumer.seeks == []
    assert bench.worker.taken == [(0, 17)]


def test_offsets_are_committed_in_the_name_of_a_member_only(bench: Bench):
    assert bench.loop.group_metadata() == "metadata"
    bench.consumer.member = ""
    with pytest.raises(NotOwnerError):
        bench.loop.group_metadata()


@pytest.mark.parametrize("code", [KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE])
def test_records_that_were_deleted_unread_end_the_loop_in_order(bench: Bench, code: int):
    with pytest.raises(LogDataLostError, match="deleted unread"):
        bench.run([bench.assign(0)], [message(0, 3, code)])
    assert bench.worker.closed == 1
    assert bench.consumer.closed
    assert bench.worker.drained == [], "nothing more is committed after that"


def test_passing_errors_are_survived_and_lasting_ones_are_not(bench: Bench):
    bench.run([bench.assign(0)], [message(0, 3, KafkaError._TRANSPORT)], [message(0, 3)])
    assert bench.worker.taken == [(0, 3)]
    with pytest.raises(KafkaException):
        bench.run([bench.assign(0)], [message(0, 3, KafkaError.UNKNOWN_TOPIC_OR_PART)])


def test_the_lag_counts_to_the_end_behind_the_markers_of_transactions(bench: Bench):
    def lag(expected: float | None) -> Any:
        return check(lambda: bench.lag(0) == expected)

    bench.run(
        [bench.assign(0)],
        [lag(60), message(0, 97)],
        [lag(2), message(0, 100, KafkaError._PARTITION_EOF)],
        [lag(0), lambda: bench.consumer.give("on_revoke", 0)],
        [lag(None)],
    )


def test_the_heart_beats_with_every_turn_and_assignment_makes_it_ready(bench: Bench):
    bench.run(
        [check(lambda: not bench.status.ready), lambda: setattr(bench.clock, "seconds", 2_000.0), bench.assign()],
        [check(lambda: bench.status.ready and bench.status.report().heartbeat_age == 0)],
    )


def test_who_is_thrown_out_is_not_ready_until_the_group_takes_it_back(bench: Bench):
    bench.run(
        [bench.assign(0)],
        [check(lambda: bench.status.ready), lambda: bench.consumer.give("on_revoke", 0)],
        [check(lambda: bench.status.ready), bench.assign(0)],
        [lambda: bench.consumer.give("on_lost", 0)],
        [check(lambda: not bench.status.ready), bench.assign()],
        [check(lambda: bench.status.ready)],
    )


def test_stopping_drains_closes_and_leaves(bench: Bench):
    bench.run([bench.assign(0, 1)])
    assert bench.worker.drained == [bench.clock.seconds + 7.0]
    assert bench.worker.closed == 1
    assert bench.consumer.closed
    assert bench.worker.given_up == [([0, 1], False)]


def test_the_group_is_left_even_if_closing_the_worker_fails(bench: Bench):
    def fail() -> None:
        raise RuntimeError("the device is ill")

    bench.worker.close = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="ill"):
        bench.run([bench.assign(0)])
    assert bench.consumer.closed


def test_an_unanswered_question_for_the_offset_says_so(bench: Bench):
    for code in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError.NOT_COORDINATOR):
        bench.consumer.committed_offset = KafkaException(KafkaError(code))
        with pytest.raises(TimeoutError, match="offers/0"):
            bench.loop.committed(0)
    bench.consumer.committed_offset = KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
    with pytest.raises(KafkaException):
        bench.loop.committed(0)


def out_of_the_group(bench: Bench, seconds: float) -> list[Any]:
    """Turns during which the consumer is no member, for so many seconds."""

    def leave() -> None:
        bench.consumer.member = ""
        bench.clock.seconds += 1.0

    return [[leave] for _ in range(int(seconds))]


def closed_in_time(consumer: FakeConsumer) -> bool:
    for thread in threading.enumerate():
        if thread.name == "leaving":
            thread.join(30)
    return consumer.closed


def test_a_consumer_that_is_not_let_into_the_group_again_is_replaced_and_not_heard_any_more(bench: Bench):
    old = bench.consumer
    lose = [lambda: bench.consumer.give("on_lost", 0)]
    bench.run([bench.assign(0)], lose, *out_of_the_group(bench, PATIENCE + 2))
    new = bench.loop._consumer
    assert new is not old
    assert new.callbacks.keys() == {"on_assign", "on_revoke", "on_lost"}
    assert new.config == old.config
    assert closed_in_time(old)
    told = list(bench.worker.given_up)
    old.give("on_assign", 0)
    old.give("on_revoke", 0)
    old.give("on_lost", 0)
    assert bench.worker.given_up == told


def test_a_member_is_not_replaced_however_long_it_owns_nothing(bench: Bench):
    old = bench.consumer
    wait = [[lambda: setattr(bench.clock, "seconds", bench.clock.seconds + 1.0)] for _ in range(int(PATIENCE) + 5)]
    bench.run(*wait)
    assert bench.loop._consumer is old


def test_a_consumer_stays_while_kafka_is_away(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    old = bench.consumer
    monkeypatch.setattr(FakeConsumer, "silent", True, raising=False)
    bench.run(*out_of_the_group(bench, 2 * PATIENCE + 5))
    assert bench.loop._consumer is old


def test_a_consumer_that_still_owns_partitions_is_not_replaced(bench: Bench):
    old = bench.consumer
    bench.run([bench.assign(0)], *out_of_the_group(bench, PATIENCE + 5))
    assert bench.loop._consumer is old
