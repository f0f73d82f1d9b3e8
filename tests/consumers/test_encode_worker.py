"""The encoder's bookkeeping: order per partition, one transaction for what is finished, and every failure survived."""

from concurrent.futures import Future

import msgspec
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from consumers.encoding.work import Work
from consumers.encoding.worker import MAX_PUBLISHED, EncodeWorker
from consumers.limit import DeadLetterLimit, DeadLetterLimitError
from matcher.encoding import RawFeatures
from matcher.events.dead_letter import Failure, place_headers, read_dead_letter
from matcher.events.envelope import Record, Seen
from matcher.events.place import Place
from matcher.metrics import Metrics
from matcher.settings import DeadLetters, Topics
from producers.transaction import AbortedError, FencedError
from tests.consumers.fakes import FAILURES, FakeBroker, HandClock, record
from tests.examples import examples

ENCODED = RawFeatures(image=None, text=np.ones(4, np.float16), image_count=0)
LIMIT = 12
NO_LIMIT = DeadLetters(run=0, share=1)


class FakeStage:
    """Holds works until the test finishes them."""

    def __init__(self) -> None:
        self.works: list[Work] = []
        self.closed = False

    def submit(self, work: Work) -> None:
        self.works.append(work)

    def close(self) -> None:
        self.closed = True

    @property
    def open(self) -> list[Work]:
        return [work for work in self.works if work.result is None and not work.dropped]

    def finish(self, *offsets: int) -> None:
        """All that are open, or those at `offsets`."""
        for work in self.open:
            if not offsets or work.record.offset in offsets:
                work.result = ENCODED


class Bench:
    """A worker with everything around it."""

    def __init__(self, limit: int = LIMIT, partitions: int = 1, limits: DeadLetters = NO_LIMIT) -> None:
        self.broker, self.stage, self.clock, self.metrics = FakeBroker(), FakeStage(), HandClock(), Metrics()
        self.worker = EncodeWorker(
            self.stage,
            self.broker,  # type: ignore[arg-type]
            self.broker,
            encoder="fingerprint",
            topics=Topics(),
            limit=DeadLetterLimit(limits, Topics().offers, self.broker, self.metrics),
            in_flight=limit,
            metrics=self.metrics,
            clock=self.clock,
        )
        for partition in range(partitions):
            assert self.worker.assigned(partition) is None, "it goes on from the committed offset"

    def read(self, *offsets: int, partition: int = 0) -> None:
        self.worker.submit([an_offer(offset, partition) for offset in offsets])

    def published(self, partition: int = 0) -> list[int]:
        """The offsets of what was published, in order."""
        versions = [Seen.of(r.headers).version for r in self.broker.published]
        return [version.offset for version in versions if version and version.partition == partition]


def an_offer(offset: int, partition: int = 0):
    return record(offset, f'{{"offer_id": "{partition}-{offset}", "title": "shirt"}}'.encode(), partition=partition)


def test_nothing_overtakes_within_a_partition():
    bench = Bench()
    bench.read(0, 1, 2, 3)
    bench.stage.finish(1, 2)
    bench.worker.poll()
    assert bench.published() == []
    bench.stage.finish(0)
    bench.worker.poll()
    assert bench.published() == [0, 1, 2]
    assert bench.broker.transactions == [(3, {("offers", 0): 3})]


def test_a_slow_partition_does_not_hold_up_another():
    bench = Bench(partitions=2)
    bench.read(0, partition=0)
    bench.read(0, 1, partition=1)
    for work in bench.stage.open:
        if work.record.partition == 1:
            work.result = ENCODED
    bench.worker.poll()
    assert (bench.published(0), bench.published(1)) == ([], [0, 1])
    assert bench.broker.offsets == {("offers", 1): 2}


def test_deletions_and_dead_letters_keep_their_place_in_the_order():
    bench = Bench()
    bench.worker.submit([an_offer(0), record(1, None, key=b"gone"), record(2, b"garbage", key=b"bad"), an_offer(3)])
    bench.worker.poll()
    assert bench.broker.published == []
    bench.stage.finish()
    bench.worker.poll()
    assert [(r.topic, r.value is None) for r in bench.broker.published] == [
        ("offer-features", False), ("offer-features", True), ("dead-letters", False), ("offer-features", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "reason"), [(b"\xff\xfe", "bad_offer_id"), (b"", "no_offer_id"), (None, "no_offer_id")]
)
def test_a_deletion_that_names_no_offer_is_a_dead_letter(key: bytes | None, reason: str):
    bench = Bench()
    bench.worker.submit([Record(topic="offers", partition=0, offset=0, key=key, value=None)])
    bench.worker.poll()
    (letter,) = bench.broker.published
    assert (letter.topic, letter.key, letter.value) == ("dead-letters", key, None)
    assert read_dead_letter(letter.headers).reason == reason


def test_what_the_device_refuses_is_a_dead_letter():
    bench = Bench()
    bench.read(0)
    bench.stage.open[0].result = Failure(stage="encoder", reason="encode_failed", message="the device is ill")
    bench.worker.poll()
    assert read_dead_letter(bench.broker.published[0].headers).reason == "encode_failed"
    counted = bench.metrics.registry.get_sample_value
    assert counted("offermatch_dead_letters_total", {"stage": "encoder", "reason": "encode_failed"}) == 1


def test_a_transaction_stays_short():
    bench = Bench(limit=4 * MAX_PUBLISHED)
    bench.read(*range(MAX_PUBLISHED + 5))
    bench.stage.finish()
    bench.worker.poll()
    bench.worker.poll()
    assert [count for count, _ in bench.broker.transactions] == [MAX_PUBLISHED, 5]


def test_after_a_failed_transaction_everything_is_read_again_from_what_was_committed():
    bench = Bench(partitions=2)
    bench.read(0, 1, 2, partition=0)
    bench.read(7, 8, partition=1)
    bench.stage.finish(0)
    bench.worker.poll()
    dropped = bench.stage.open
    bench.stage.finish(1)
    bench.broker.fail_next = AbortedError("the broker was away")
    assert bench.worker.poll() == {}
    assert (bench.worker.room(0), bench.worker.room(1)) == (0, 0), "nothing new before that is settled"
    assert bench.worker.poll() == {0: 1, 1: 7}
    assert all(work.dropped for work in dropped)
    assert not bench.worker.busy()
    assert bench.worker.room(0) > 0


def test_it_waits_for_a_broker_that_does_not_answer_without_blocking_the_loop():
    bench = Bench()
    bench.read(0, 1)
    bench.stage.finish()
    bench.broker.fail_next, bench.broker.unanswered = AbortedError("the broker is away"), 3
    bench.worker.poll()
    assert [bench.worker.poll() for _ in range(3)] == [{}, {}, {}]
    bench.broker.silent = True
    assert bench.worker.poll() == {}, "the transaction is settled, but where the group stands is not known yet"
    bench.broker.silent = False
    assert bench.worker.poll() == {0: 0}


def test_a_failure_while_partitions_are_given_up_loses_nothing_of_the_others():
    bench = Bench(partitions=2)
    bench.read(0, 1, partition=0)
    bench.read(0, 1, partition=1)
    bench.stage.finish()
    bench.broker.fail_next = AbortedError("in the middle of a rebalance")
    bench.worker.revoked([0], lost=False)
    assert bench.worker.poll() == {1: 0}, "what was in flight of the partition that stays is read again"
    bench.read(0, 1, partition=1)
    bench.stage.finish()
    bench.worker.poll()
    assert bench.published(1) == [0, 1]
    assert bench.published(0) == []


def test_what_is_finished_is_committed_before_a_partition_is_given_up():
    bench = Bench()
    bench.read(0, 1, 2)
    bench.stage.finish(0, 1)
    bench.worker.revoked([0], lost=False)
    assert bench.published() == [0, 1]
    assert bench.broker.offsets == {("offers", 0): 2}
    assert bench.stage.works[2].dropped


def test_a_lost_partition_is_dropped_without_a_trace():
    bench = Bench()
    bench.read(0, 1)
    bench.stage.finish()
    bench.worker.revoked([0], lost=True)
    bench.worker.poll()
    assert bench.broker.published == []
    assert all(work.dropped for work in bench.stage.works)


def test_a_partition_that_was_never_taken_over_can_be_given_up():
    """As it is when the group's offset could not be had and the process leaves."""
    bench = Bench(partitions=1)
    bench.worker.revoked([0, 1, 2], lost=False)
    assert not bench.worker.busy()


def test_a_fenced_encoder_stops():
    """Its slot has been given to another process, which must not be fenced in turn."""
    bench = Bench()
    bench.read(0)
    bench.stage.finish()
    bench.broker.fail_next = FencedError("a successor")
    with pytest.raises(FencedError):
        bench.worker.poll()


def test_draining_publishes_what_gets_finished_and_leaves_the_rest_when_the_time_is_up():
    bench = Bench()
    bench.read(0, 1)
    bench.stage.finish(0)
    ticks = iter(range(100))

    def wait(_: float) -> None:
        bench.clock.seconds += 1
        if next(ticks) == 2:
            bench.stage.finish(1)
            bench.read(2)

    bench.broker.wait = wait  # type: ignore[method-assign]
    deadline = bench.clock.seconds + 10
    bench.worker.drain(deadline)
    assert bench.published() == [0, 1]
    assert bench.clock.seconds == deadline
    assert set(bench.broker.untils) == {deadline}, "no transaction takes longer than the drain may"


def test_draining_ends_with_the_first_failure():
    bench = Bench()
    bench.read(0, 1)
    bench.stage.finish(0)
    bench.broker.fail_next = AbortedError("the broker is gone")
    bench.worker.drain(bench.clock.seconds + 10)
    assert bench.published() == []
    assert bench.broker.renewed == -1, "nobody waited for the broker to come back"


class WithPhotos(Bench):
    """Offers whose photo comes when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.stage.submit = self._submit  # type: ignore[method-assign]

    def _submit(self, work: Work) -> None:
        if work.offer is not None and work.offer.image_urls:
            work.photos = [Future()]
        self.stage.works.append(work)

    def offer(self, offset: int, name: str = "a", *, replayed_from: int | None = None, **fields: object) -> Work:
        """Reads an offer with a title and a photo, or with `fields`; returns its work."""
        value = {"offer_id": name, "title": "shirt", "image_urls": ["http://slow/1.jpg"], **fields}
        headers = () if replayed_from is None else place_headers(Place("offers", 0, replayed_from))
        self.worker.submit(
            [
                Record(
                    topic="offers", partition=0, offset=offset, key=name.encode(), value=msgspec.json.encode(value),
                    headers=headers,
                )
            ]
        )  # fmt: skip
        return next(work for work in reversed(self.stage.works) if work.record.offset == offset)

    def photo(self, work: Work) -> None:
        for photo in work.photos:
            if not photo.done():
                photo.set_result(np.zeros((3, 4, 4), np.float32))  # type: ignore[attr-defined]

    def finish(self) -> None:
        for work in self.stage.open:
            self.photo(work)
        self.stage.finish()

    def skipped(self) -> float | None:
        return self.metrics.registry.get_sample_value("offermatch_versions_skipped_total", {"why": "superseded"})


def test_a_newer_version_cancels_an_older_one_that_still_waits_for_its_photos():
    bench = WithPhotos()
    older, other, newer = bench.offer(0), bench.offer(1, "b"), bench.offer(2)
    assert (older.dropped, other.dropped, newer.dropped) == (True, False, False), "nobody fetches its photos any more"
    bench.finish()
    bench.worker.poll()
    assert bench.published() == [1, 2]
    assert bench.broker.offsets == {("offers", 0): 3}
    assert bench.skipped() == 1


def test_a_version_that_was_superseded_holds_up_nobody():
    bench = WithPhotos()
    bench.offer(0)
    bench.offer(1, "b", image_urls=[]).result = ENCODED
    bench.worker.poll()
    assert bench.published() == []
    bench.offer(2)
    bench.worker.poll()
    assert bench.published() == [1]
    assert bench.broker.offsets == {("offers", 0): 2}


def test_a_deletion_cancels_a_version_that_still_waits_for_its_photos():
    bench = WithPhotos()
    older = bench.offer(0)
    bench.worker.submit([record(1, None, key=b"a")])
    assert older.dropped
    bench.worker.poll()
    assert [(r.key, r.value) for r in bench.broker.published] == [(b"a", None)]


def test_what_has_its_photos_is_published_although_a_newer_version_is_there():
    bench = WithPhotos()
    bench.photo(bench.offer(0))
    bench.offer(1)
    bench.finish()
    bench.worker.poll()
    assert bench.published() == [0, 1]


def test_a_version_does_not_yield_to_one_that_may_become_a_dead_letter_or_is_older():
    bench = WithPhotos()
    older = bench.offer(5)
    bench.worker.submit([record(6, b"garbage", key=b"a")])
    bench.offer(7, title=None)  # without its photo it says nothing
    bench.offer(8, replayed_from=2)
    assert not older.dropped


def test_a_superseded_version_is_read_again_and_superseded_again_after_a_failed_transaction():
    bench = WithPhotos()
    bench.offer(0)
    bench.offer(1, "b", image_urls=[]).result = ENCODED
    bench.offer(2)
    bench.broker.fail_next = AbortedError("the broker was away")
    bench.worker.poll()
    assert bench.worker.poll() == {0: 0}
    again = bench.offer(0)
    assert not again.dropped, "what was in flight before is forgotten"
    bench.offer(1, "b", image_urls=[])
    bench.offer(2)
    bench.finish()
    bench.worker.poll()
    assert bench.published() == [1, 2]


def test_nothing_is_published_after_closing():
    bench = Bench()
    bench.read(0)
    bench.stage.finish()
    bench.worker.close()
    bench.worker.revoked([0], lost=False)  # as leaving the group does
    assert bench.broker.published == []
    assert bench.stage.closed
    assert bench.broker.closed == 1


def test_a_partition_may_hold_as_much_as_is_free_for_all_however_much_comes_at_once():
    bench = Bench(limit=12, partitions=3)
    assert [bench.worker.room(p) for p in range(3)] == [6, 6, 6]
    bench.read(*range(6), partition=0)
    assert [bench.worker.room(p) for p in range(3)] == [0, 3, 3]
    bench.read(*range(3), partition=1)
    assert [bench.worker.room(p) for p in range(3)] == [0, 0, 2]


def test_a_full_partition_works_off_half_before_it_is_read_again():
    """Each pause throws away what the client has fetched ahead."""
    bench = Bench(limit=16)
    bench.read(*range(8))
    rooms = []
    for offset in range(8):
        bench.stage.finish(offset)
        bench.worker.poll()
        rooms.append(bench.worker.room(0))
    # With h held, 16 - h are free for all and 8 - h may come at once; it is read again at a quarter of what is free.
    assert rooms == [0, 0, 3, 4, 5, 6, 7, 8]


def test_it_never_holds_more_than_it_may():
    bench = Bench(limit=5, partitions=3)
    read = [0, 0, 0]
    for _ in range(50):
        for partition in range(3):
            room = bench.worker.room(partition)
            bench.read(*range(read[partition], read[partition] + room), partition=partition)
            read[partition] += room
    assert 0 < len(bench.stage.open) <= 5
    bench.worker.poll()
    assert bench.metrics.registry.get_sample_value("offermatch_in_flight_records") == len(bench.stage.open)


class EncoderUnderFire(RuleBasedStateMachine):
    """Reads, finishes, fails and loses partitions in any order: each offset is published once, without a gap."""

    @initialize(partitions=st.integers(1, 3), limit=st.integers(1, 9))
    def begin(self, partitions: int, limit: int) -> None:
        self.bench = Bench(limit, partitions)
        self.limit = limit
        self.positions = dict.fromkeys(range(partitions), 0)
        self.away: list[int] = []

    @precondition(lambda self: self.positions)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        partition = data.draw(st.sampled_from(sorted(self.positions)))
        count = min(self.bench.worker.room(partition), data.draw(st.integers(1, 5)))
        start = self.positions[partition]
        self.bench.read(*range(start, start + count), partition=partition)
        self.positions[partition] += max(0, count)

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        for work in self.bench.stage.open:
            if data.draw(st.booleans()):
                work.result = ENCODED

    @rule(failure=st.sampled_from((None, *FAILURES)), unanswered=st.integers(0, 2))
    def poll(self, failure: Exception | None, unanswered: int) -> None:
        self.bench.broker.fail_next, self.bench.broker.unanswered = failure, unanswered
        self.rewind()

    def rewind(self) -> None:
        for partition, offset in self.bench.worker.poll().items():
            assert partition in self.positions
            self.positions[partition] = offset

    @precondition(lambda self: self.positions)
    @rule(data=st.data(), lost=st.booleans(), failure=st.sampled_from((None, *FAILURES)))
    def give_up(self, data: st.DataObject, lost: bool, failure: Exception | None) -> None:
        partition = data.draw(st.sampled_from(sorted(self.positions)))
        self.bench.broker.fail_next = failure
        self.bench.worker.revoked([partition], lost=lost)
        del self.positions[partition]
        self.away.append(partition)

    @precondition(lambda self: self.away)
    @rule()
    def take_back(self) -> None:
        partition = self.away.pop()
        self.bench.worker.assigned(partition)
        self.positions[partition] = self.bench.broker.committed(partition) or 0

    @invariant()
    def every_offset_was_published_once_and_in_order(self) -> None:
        if not hasattr(self, "bench"):
            return
        for partition in (*self.positions, *self.away):
            published = self.bench.published(partition)
            assert published == list(range(len(published)))
            assert len(published) == (self.bench.broker.committed(partition) or 0)
        assert len(self.bench.stage.open) <= self.limit

    def teardown(self) -> None:
        if not hasattr(self, "bench"):
            return
        self.bench.broker.fail_next, self.bench.broker.unanswered = None, 0
        for _ in range(4):
            self.bench.stage.finish()
            self.rewind()
        for partition, position in self.positions.items():
            assert self.bench.published(partition) == list(range(position)), "what was read and not published was lost"


TestEncoderUnderFire = EncoderUnderFire.TestCase
TestEncoderUnderFire.settings = settings(max_examples=examples(150), stateful_step_count=30, deadline=None)


def garbage(*offsets: int):
    return [record(offset, b"garbage") for offset in offsets]


def test_too_many_dead_letters_in_a_row_end_the_process_before_they_are_published():
    bench = Bench(limits=DeadLetters(run=2))
    bench.worker.submit(garbage(0, 1))
    bench.worker.poll()
    bench.worker.submit(garbage(2, 3))
    with pytest.raises(DeadLetterLimitError, match="offers/0, the last at offset 2"):
        bench.worker.poll()
    assert bench.broker.transactions == [(2, {("offers", 0): 2})]
    bench.worker.close()
    bench.worker.revoked([0], lost=False)
    assert len(bench.broker.transactions) == 1, "nothing goes out on the way out"


def test_who_gives_a_partition_up_leaves_its_dead_letters_to_the_next_when_they_are_too_many():
    bench = Bench(limits=DeadLetters(run=2))
    bench.worker.submit(garbage(0, 1, 2))
    bench.worker.revoked([0], lost=False)
    assert bench.broker.transactions == []
    assert bench.worker.assigned(0) is None


def test_nothing_is_published_while_it_is_not_known_how_many_dead_letters_there_were():
    bench = Bench(limits=DeadLetters(run=2))
    bench.broker.notes["offers", 0] = '{"run":2,"share":0.1}'
    bench.broker.silent = True
    bench.worker.submit(garbage(5))
    bench.worker.poll()
    assert (bench.broker.transactions, bench.worker.busy()) == ([], True)
    bench.broker.silent = False
    with pytest.raises(DeadLetterLimitError):
        bench.worker.poll()


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_transaction_does_not_disturb_the_count(failure: Exception):
    bench = Bench(limits=DeadLetters(run=3))
    bench.worker.submit(garbage(0, 1))
    bench.broker.fail_next = failure
    bench.worker.poll()
    (start,) = bench.worker.poll().values()
    bench.worker.submit(garbage(*range(start, 3)))
    bench.worker.poll()
    assert bench.broker.offsets == {("offers", 0): 3}
    bench.worker.submit(garbage(3))
    with pytest.raises(DeadLetterLimitError):
        bench.worker.poll()
