"""A partition whose transactions take any time and end in any way: what is decided meanwhile is what would be decided
one record after the other, published in that order, once, and the state is a fold over it."""

import queue
import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import consumers.matching.partition
import consumers.matching.worker
from consumers.limit import DeadLetterLimitError, Tally, read_note
from consumers.matching.age import Ages
from consumers.matching.group_offsets import GroupOffsets
from consumers.matching.opening import Opener
from consumers.matching.partition import OwnedPartition
from consumers.matching.published import published_in
from consumers.matching.standby import Standby
from consumers.matching.standbys import Standbys
from consumers.matching.worker import MatchWorker
from consumers.status import Status
from consumers.worker import LATER
from index_store.errors import StateDiskFault
from index_store.verify import verify
from matcher.deciding.arrivals import Arrival, read_arrival
from matcher.deciding.batch import Refused, decide_batch
from matcher.events.envelope import Outgoing, Record
from matcher.memory import Memory
from matcher.metrics import Metrics
from matcher.model.bundle import Bundle
from matcher.settings import DeadLetters, Kafka, Matcher, Settings
from producers.decisions import decision_records
from producers.transaction import AbortedError, FencedError, OutcomeUnknownError, Partition
from tests.consumers.fakes import HandClock, at_once
from tests.examples import examples
from tests.matcher.exact_memory import ExactMemory
from tests.matcher.making import a_bundle
from tests.matcher.test_batch import CUTS, Event, record_of, streams

BATCH = 4
TOPICS = Settings().topics
SETTINGS = Settings(matcher=Matcher(batch_size=BATCH), dead_letters=DeadLetters(window=10, share=1.0))
PLACE = (TOPICS.features, 0)


class FakeKafka:
    """The log, the group and the producer of one partition; how a transaction ends, and when, is told by `endings`."""

    def __init__(self, features: Sequence[Record]) -> None:
        self.features = features
        self.published: list[Outgoing] = []
        self.offset: int | None = None
        self.kept = ""
        self.endings: queue.Queue[str] = queue.Queue()
        self.asked = 0
        self.under_way = False

    def __call__(self, *_: Any) -> "FakeKafka":
        """In the place of `Transactions`."""
        return self

    @property
    def matches(self) -> list[Outgoing]:
        return [record for record in self.published if record.topic == TOPICS.matches]

    def publish(
        self,
        records: Sequence[Outgoing],
        offsets: Mapping[Partition, int],
        group: Any,
        *,
        notes: Mapping[Partition, str],
        until: float,
    ) -> dict[Partition, int]:
        self.asked += 1
        self.under_way = True
        ending = self.endings.get(timeout=30)
        self.under_way = False
        if ending in ("committed", "answer lost"):
            self.published += records
            self.offset, self.kept = offsets[PLACE], notes[PLACE]
        if ending == "aborted":
            raise AbortedError("rolled back")
        if ending == "fenced":
            raise FencedError("a successor")
        if ending != "committed":
            raise OutcomeUnknownError(ending)
        return {(TOPICS.matches, 0): len(self.matches)} if records else {}

    def init(self) -> None:
        pass

    def init_again(self, seconds: float) -> bool:
        return True

    def close(self) -> None:
        assert not self.under_way, "let go of in the middle of a transaction"

    def group_metadata(self) -> str:
        return "metadata"

    def committed(self, partition: int) -> int | None:
        return self.offset

    def note(self, partition: int) -> str:
        return self.kept


class FakeFollower:
    """Applies in one step what the log holds and the memory does not."""

    def __init__(self, *_: Any, until: int, memory: Memory, bundle: Bundle, **__: Any) -> None:
        self._until = until
        self._memory = memory
        self._bundle = bundle

    def step(self, seconds: float) -> bool:
        positions = self._memory.positions()
        read = [
            read_arrival(record, self._bundle) for record in KAFKA[0].features[positions.get(PLACE, 0) : self._until]
        ]
        matches = KAFKA[0].matches
        start = positions.get((TOPICS.matches, 0), 0)
        self._memory.follow(
            [one for one in read if isinstance(one, Arrival) and one.features is not None],
            [one for record in matches[start:] for one in published_in(_record(record))],
            {PLACE: self._until, (TOPICS.matches, 0): len(matches)},
        )
        return True

    def close(self) -> None:
        pass


KAFKA: list[FakeKafka] = []


def _record(sent: Outgoing) -> Record:
    return Record(
        topic=sent.topic, partition=0, offset=0, key=sent.key, value=sent.value, headers=sent.headers, timestamp_ms=0
    )


def no_standby(_number: int, _memory: Memory) -> Standby:
    raise AssertionError("nobody follows here")


class Process:
    """A matcher process on a fake Kafka, one turn of its loop after the other."""

    def __init__(self, kafka: FakeKafka, folder: Path, bundle: Bundle, options: Settings = SETTINGS) -> None:
        self.kafka = kafka
        self.clock = HandClock()
        self.metrics = Metrics()
        self.opened: list[OwnedPartition] = []
        self.memory: Memory
        self.next = 0

        def open_memory(number: int) -> Memory:
            self.memory = Memory(folder, bundle, number, (TOPICS.features, TOPICS.matches), TOPICS.universes)
            return self.memory

        def own(number: int, memory: Memory) -> OwnedPartition:
            self.opened.append(
                OwnedPartition(
                    number,
                    settings=options,
                    bundle=bundle,
                    memory=memory,
                    group=kafka,
                    metrics=self.metrics,
                    clock=self.clock,
                    beside=True,
                )
            )
            return self.opened[-1]

        offsets = GroupOffsets(Kafka(), "group", TOPICS.features, self.clock)
        self.worker = MatchWorker(
            own,
            Standbys(Opener(open_memory, at_once), no_standby, offsets, partitions=1, most=0, metrics=self.metrics),
            Ages(Kafka(), TOPICS.matches, TOPICS.tombstone_retention, self.clock),
            batch_size=BATCH,
            patience=5.0,
            status=Status(self.metrics, self.clock, 60.0, ["assigned", "index_loaded", "standby_warm"]),
            clock=self.clock,
        )
        self.own()

    def own(self) -> None:
        start = self.worker.assigned(0)
        if start is not LATER:
            self.next = start
        self.next = self.worker.poll().get(0, self.next)  # follows

    def read(self, most: int) -> None:
        """What the loop would read now, `most` records at most."""
        end = self.next + min(most, self.worker.room(0))
        self.worker.submit(self.kafka.features[self.next : end])
        self.next = min(end, len(self.kafka.features))

    def poll(self) -> None:
        self.clock.seconds += 10
        self.next = self.worker.poll().get(0, self.next)

    def end(self, how: str) -> None:
        """Ends the transaction under way, if there is one."""
        work = self.opened[-1]._flight._work
        if work is not None and not work.done():
            self.kafka.endings.put(how)
            assert wait([work], 30).done

    def give_up(self, how: str) -> None:
        """The partition is taken away while a transaction is under way, which ends like this; then it comes back."""
        flight = self.opened[-1]._flight
        landed = flight.landed

        def end_once_waited_for(seconds: float | None) -> Any:
            if seconds is None and flight._work is not None and not flight._work.done():
                self.kafka.endings.put(how)
            return landed(seconds)

        flight.landed = end_once_waited_for  # type: ignore[method-assign]
        self.worker.revoked([0], lost=False)
        self.own()

    def finish(self) -> None:
        """Until all is committed and followed."""
        while self.worker.busy() or self.kafka.offset != len(self.kafka.features) or not self.worker.room(0):
            self.read(BATCH)
            self.poll()
            self.end("committed")


@contextmanager
def a_process(
    features: Sequence[Record], folder: Path, bundle: Bundle, options: Settings = SETTINGS
) -> Iterator[Process]:
    kafka = FakeKafka(features)
    KAFKA[:] = [kafka]
    with (
        patch.object(consumers.matching.partition, "Transactions", kafka),
        patch.object(consumers.matching.partition, "Follower", FakeFollower),
        patch.object(consumers.matching.worker, "COMMIT_SLICE", 0.0),
    ):
        process = Process(kafka, folder, bundle, options)
        try:
            yield process
        finally:
            for _ in range(2):
                kafka.endings.put("aborted")
            process.worker.close()


def one_by_one(records: Sequence[Record], bundle: Bundle) -> tuple[list[Outgoing], dict[str, Any], Tally]:
    """What is published, what the state holds and the tally of dead letters, without anything in flight, ever."""
    published: list[Outgoing] = []
    memory, tally = ExactMemory(), Tally()
    for record in records:
        steps = decide_batch([record], memory, bundle, Metrics())
        memory.apply(steps)
        published += decision_records(steps, partition=0, topics=TOPICS, clock=HandClock())
        tally = tally.after(isinstance(steps[0], Refused), SETTINGS.dead_letters.window)
    live: dict[str, Any] = {
        name: (
            (known.version.partition, known.version.offset),
            known.product_id,
            memory.said[name].offer.seller_id,
            known.vector.tobytes(),
        )
        for name, known in memory.live.items()
    }
    return published, live, tally


def contents(memory: Memory) -> dict[str, Any]:
    state, index = memory.stores()
    assert verify(state, index).ok
    found = {}
    for keys, vectors, *_ in state.live_vectors():
        for key, vector in zip(keys.tolist(), vectors, strict=True):
            stored = state.by_keys([key])[key]
            found[stored.offer_id] = (tuple(stored.version), stored.product_id, stored.seller_id, vector.tobytes())
    return found


def told(published: Sequence[Outgoing]) -> list[tuple[Any, ...]]:
    return [
        (record.topic, record.key, record.value, record.headers if record.topic != TOPICS.dead_letters else None)
        for record in published
    ]


def a_log(events: Sequence[Event], spoilt: Sequence[int]) -> list[Record]:
    """The records of these events; some cannot be read."""
    return [
        msgspec.structs.replace(record_of(event, offset), value=b"\xc1", topic=TOPICS.features)
        if offset in spoilt and event.look is not None
        else msgspec.structs.replace(record_of(event, offset), topic=TOPICS.features)
        for offset, event in enumerate(events)
    ]


ENDINGS = ["committed", "committed", "committed", "aborted", "answer lost", "never arrived", "fenced"]


@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(streams(), CUTS, st.integers(0, 2**32))
def test_however_long_transactions_take_and_however_they_end_it_is_as_if_one_record_came_after_the_other(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event], spoilt: list[int], seed: int
) -> None:
    dice, bundle, records = random.Random(seed), a_bundle(), a_log(events, spoilt)
    with a_process(records, tmp_path_factory.mktemp("overlapping"), bundle) as process:
        for _ in range(4 * len(records)):
            match dice.choice(["read", "read", "poll", "poll", "poll", "end", "end", "give up"]):
                case "read":
                    process.read(dice.randint(1, BATCH))
                case "poll":
                    process.poll()
                case "end":
                    process.end(dice.choice(ENDINGS))
                case "give up" if dice.random() < 0.1:
                    process.give_up(dice.choice(ENDINGS))
        process.finish()
        published, state, tally = one_by_one(records, bundle)
        assert told(process.kafka.published) == told(published)
        assert contents(process.memory) == state
        assert process.kafka.offset == len(records)
        assert read_note(process.kafka.kept) == tally


def test_while_a_transaction_is_under_way_the_next_batch_is_decided_and_what_comes_then_joins_it(
    tmp_path: Path,
) -> None:
    events = [Event(offer, 100 + n, "shirt") for n, offer in enumerate("abcdefgh")]
    with a_process(a_log(events, []), tmp_path, a_bundle()) as process:
        for _ in range(4):
            process.read(2)
            process.poll()
        assert process.kafka.asked == 1
        assert len(process.opened[0]._flight.steps) == 6
        assert process.kafka.published == []
        process.end("committed")
        process.poll()
        process.end("committed")
        process.poll()
        assert (process.kafka.asked, process.kafka.offset) == (3, 6)
        process.finish()
        outcomes = [msgspec.json.decode(record.value or b"")["outcome"] for record in process.kafka.matches]
        assert outcomes == ["new_product", *["matched"] * 7]


def test_an_abort_drops_what_was_decided_behind_it(tmp_path: Path) -> None:
    events = [Event(offer, 100 + n, "shirt") for n, offer in enumerate("abcdefgh")]
    with a_process(a_log(events, []), tmp_path, a_bundle()) as process:
        for _ in range(2):
            process.read(4)
            process.poll()
        process.end("aborted")
        process.poll()
        assert not process.opened[0].in_flight
        assert (process.kafka.asked, process.kafka.published) == (1, [])
        process.poll()
        assert process.next == 0, "everything is read again"


def test_a_batch_beyond_the_limit_of_dead_letters_is_not_sent_and_what_is_under_way_counts(tmp_path: Path) -> None:
    events = [Event("a", 100 + n, "shirt") for n in range(12)]
    options = msgspec.structs.replace(SETTINGS, dead_letters=DeadLetters(run=6, share=1.0))
    with a_process(a_log(events, range(12)), tmp_path, a_bundle(), options) as process:
        for _ in range(2):
            process.read(4)
            process.poll()
        process.end("committed")
        with pytest.raises(DeadLetterLimitError, match="more than 6 dead letters in a row"):
            process.poll()
        assert process.kafka.offset == 4
        assert not process.opened[0].in_flight


def test_a_batch_that_cannot_be_applied_stops_the_process_and_nothing_is_sent_behind_it(tmp_path: Path) -> None:
    events = [Event(offer, 100 + n, "shirt") for n, offer in enumerate("abcdefgh")]
    with a_process(a_log(events, []), tmp_path, a_bundle()) as process:
        for _ in range(2):
            process.read(4)
            process.poll()
        full = StateDiskFault("the disk is full")
        with patch.object(process.memory, "apply_steps", side_effect=full):
            process.end("committed")
        with pytest.raises(StateDiskFault):
            process.poll()
        assert (process.kafka.asked, process.kafka.offset) == (1, 4)


def test_who_gives_the_partition_up_sees_the_transaction_under_way_through_and_leaves_the_rest(tmp_path: Path) -> None:
    events = [Event(offer, 100 + n, "shirt") for n, offer in enumerate("abcdefgh")]
    with a_process(a_log(events, []), tmp_path, a_bundle()) as process:
        for _ in range(2):
            process.read(4)
            process.poll()
        process.give_up("committed")
        assert (process.kafka.asked, process.kafka.offset, process.next) == (1, 4, 4)
        process.poll()
        process.finish()
        assert [record.key for record in process.kafka.matches] == [bytes([n]) for n in b"abcdefgh"]
