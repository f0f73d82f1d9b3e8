"""What becomes of a transaction on every class of error that librdkafka tells apart: docs/errors.md is its table."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

import producers.transaction
from matcher.events.envelope import Outgoing
from matcher.metrics import Metrics
from matcher.settings import Kafka
from producers.missing import PATIENCE
from producers.transaction import (
    AbortedError,
    FencedError,
    NotOwnerError,
    OutcomeUnknownError,
    RefusedError,
    Transactions,
    UnpublishableError,
)
from tests.consumers.fakes import HandClock

RETRIABLE = KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, retriable=True)
ABORTABLE = KafkaError(KafkaError._MSG_TIMED_OUT, txn_requires_abort=True)
FATAL = KafkaError(KafkaError._FENCED, fatal=True)
UNCLASSED = KafkaError(KafkaError._TRANSPORT)
CALLS = ("begin_transaction", "produce", "send_offsets_to_transaction", "flush", "commit_transaction")


class FakeProducer:
    """Raises what the test plans for a call, once each; takes everything else."""

    plans: dict[str, list[BaseException]]
    refuse: dict[bytes, KafkaError]
    gone: bool
    calls: list[str]
    clock: HandClock

    def __init__(self, config: Any) -> None:
        self.open: list[tuple[Callable[..., None], bytes]] = []

    def _step(self, name: str) -> None:
        self.calls.append(name)
        self.clock.seconds += 0.1
        if self.plans.get(name):
            raise self.plans[name].pop(0)

    def init_transactions(self, timeout: float) -> None:
        self._step("init_transactions")

    def begin_transaction(self) -> None:
        self._step("begin_transaction")

    def produce(self, topic: str, *, value: bytes, on_delivery: Callable[..., None], **_: Any) -> None:
        self._step("produce")
        self.open.append((on_delivery, value))

    def poll(self, timeout: float) -> None:
        self._report()

    def flush(self, timeout: float) -> None:
        self._step("flush")
        self._report()

    def send_offsets_to_transaction(self, positions: Any, group: Any, timeout: float) -> None:
        self._step("send_offsets_to_transaction")

    def commit_transaction(self, timeout: float) -> None:
        self._step("commit_transaction")

    def list_topics(self, topic: str, timeout: float) -> Any:
        if self.plans.get("list_topics"):
            raise self.plans["list_topics"].pop(0)
        error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART) if self.gone else None
        return SimpleNamespace(topics={topic: SimpleNamespace(error=error)})

    def purge(self) -> None:
        self.open.clear()

    def _report(self) -> None:
        done, self.open = self.open, []
        for number, (report, value) in enumerate(done):
            report(self.refuse.get(value), Delivered(number))


class Delivered:
    def __init__(self, number: int) -> None:
        self.number = number

    def topic(self) -> str:
        return "matches"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.number


class Bench:
    def __init__(self) -> None:
        self.clock, self.metrics = HandClock(), Metrics()
        FakeProducer.plans, FakeProducer.refuse, FakeProducer.calls = {}, {}, []
        FakeProducer.clock, FakeProducer.gone = self.clock, False
        self.transactions = Transactions(Kafka(transaction_timeout=10), "id", self.metrics, self.clock)

    def plan(self, call: str, *errors: KafkaError) -> None:
        FakeProducer.plans[call] = [KafkaException(error) for error in errors]

    def publish(self, *values: bytes) -> dict[Any, int]:
        records = [Outgoing(topic="matches", key=b"k", value=value) for value in values or (b"v",)]
        return self.transactions.publish(records, {("offers", 0): 1}, "metadata")

    def begin_and_publish(self) -> None:
        self.transactions.init()
        self.publish()

    @property
    def calls(self) -> list[str]:
        return FakeProducer.calls

    def count(self, result: str) -> float | None:
        return self.metrics.registry.get_sample_value("offermatch_transactions_total", {"result": result})


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(producers.transaction, "Producer", FakeProducer)
    return Bench()


@pytest.mark.parametrize("call", ["init_transactions", "send_offsets_to_transaction", "commit_transaction"])
def test_what_may_be_repeated_is_repeated_until_it_passes(bench: Bench, call: str):
    bench.plan(call, RETRIABLE, RETRIABLE)
    bench.transactions.init()
    assert bench.publish() == {("matches", 0): 1}
    assert bench.calls.count(call) == 3
    assert bench.count("committed") == 1


@pytest.mark.parametrize(
    ("call", "ends"), [("send_offsets_to_transaction", AbortedError), ("commit_transaction", OutcomeUnknownError)]
)
def test_and_no_longer_than_the_transaction_may_take(bench: Bench, call: str, ends: type[Exception]):
    """A commit that was asked for may have come through, whatever was answered."""
    bench.plan(call, *[RETRIABLE] * 1_000)
    began = bench.clock.seconds
    with pytest.raises(ends):
        bench.publish()
    assert 9 < bench.clock.seconds - began < 12


@pytest.mark.parametrize("call", CALLS)
def test_what_has_to_be_rolled_back_is_and_nothing_else_is_tried_with_that_producer(bench: Bench, call: str):
    if call == "flush":
        FakeProducer.refuse[b"v"] = ABORTABLE
    else:
        bench.plan(call, ABORTABLE)
    with pytest.raises(AbortedError) as raised:
        bench.publish()
    assert type(raised.value) is AbortedError
    assert bench.calls[-1] == call
    assert (bench.count("aborted"), bench.count("committed")) == (1, None)
    FakeProducer.refuse.clear()
    assert bench.transactions.init_again(1.0)
    bench.publish()


@pytest.mark.parametrize("call", ["init_transactions", *CALLS])
def test_what_is_fatal_says_that_somebody_else_took_over(bench: Bench, call: str):
    bench.plan(call, FATAL)
    with pytest.raises(FencedError):
        bench.begin_and_publish()
    assert bench.calls[-1] == call


def test_a_commit_that_ends_in_an_error_of_no_class_may_have_come_through(bench: Bench):
    bench.plan("commit_transaction", UNCLASSED)
    with pytest.raises(OutcomeUnknownError):
        bench.publish()
    assert bench.count("unknown") == 1


def test_any_other_call_that_ends_in_an_error_of_no_class_is_rolled_back(bench: Bench):
    bench.plan("send_offsets_to_transaction", UNCLASSED)
    with pytest.raises(AbortedError):
        bench.publish()


@pytest.mark.parametrize(
    "code", [KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_INSTANCE_ID]
)
def test_offsets_of_who_is_no_member_any_more_are_told_apart(bench: Bench, code: int):
    bench.plan("send_offsets_to_transaction", KafkaError(code, txn_requires_abort=True))
    with pytest.raises(NotOwnerError):
        bench.publish()


@pytest.mark.parametrize(
    "code", [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError.POLICY_VIOLATION]
)
def test_the_records_that_kafka_will_never_take_are_named(bench: Bench, code: int):
    FakeProducer.refuse[b"large"] = KafkaError(code)
    with pytest.raises(RefusedError) as raised:
        bench.publish(b"small", b"large", b"small")
    assert raised.value.refused == {1}


def test_also_where_another_call_is_the_first_to_tell_of_the_failure(bench: Bench):
    FakeProducer.refuse[b"large"] = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    bench.plan("send_offsets_to_transaction", KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, txn_requires_abort=True))
    with pytest.raises(RefusedError) as raised:
        bench.publish(b"small", b"large")
    assert raised.value.refused == {1}


def test_who_shared_a_batch_with_a_bad_record_is_not_to_blame(bench: Bench):
    FakeProducer.refuse |= {
        b"bad": KafkaError(KafkaError.INVALID_RECORD),
        b"good": KafkaError(KafkaError._INVALID_DIFFERENT_RECORD),
    }
    with pytest.raises(RefusedError) as raised:
        bench.publish(b"good", b"good", b"bad")
    assert raised.value.refused == {2}


@pytest.mark.parametrize(
    ("call", "code", "remedy"),
    [
        ("init_transactions", KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "rights"),
        ("init_transactions", KafkaError.INVALID_TRANSACTION_TIMEOUT, "OFFERMATCH_KAFKA_TRANSACTION_TIMEOUT"),
        ("send_offsets_to_transaction", KafkaError.GROUP_AUTHORIZATION_FAILED, "rights"),
        ("flush", KafkaError.TOPIC_AUTHORIZATION_FAILED, "rights"),
        ("flush", KafkaError.INVALID_TIMESTAMP, "clock"),
    ],
)
def test_what_no_waiting_helps_against_says_what_to_do(bench: Bench, call: str, code: int, remedy: str):
    if call == "flush":
        FakeProducer.refuse[b"v"] = KafkaError(code)
    else:
        bench.plan(call, KafkaError(code, fatal=call == "init_transactions"))
    with pytest.raises(UnpublishableError, match=remedy):
        bench.begin_and_publish()


def fail(bench: Bench, after: float = 0.0) -> None:
    """A transaction that fails, and a new producer after so many seconds."""
    bench.plan("send_offsets_to_transaction", ABORTABLE)
    with pytest.raises(AbortedError):
        bench.publish()
    bench.clock.seconds += after
    assert bench.transactions.init_again(1.0)


def test_a_topic_that_is_gone_ends_the_process_once_kafka_has_said_so_for_long_enough(bench: Bench):
    bench.transactions.init()
    FakeProducer.gone = True
    fail(bench)
    fail(bench, PATIENCE / 2)
    bench.plan("send_offsets_to_transaction", ABORTABLE)
    with pytest.raises(AbortedError):
        bench.publish()
    bench.clock.seconds += PATIENCE / 2
    with pytest.raises(UnpublishableError, match="topic matches has been missing"):
        bench.transactions.init_again(1.0)


@pytest.mark.parametrize("how", ["seen", "written to"])
def test_a_topic_that_was_there_in_between_is_not_gone(bench: Bench, how: str):
    """Brokers that have just started may not know it yet."""
    bench.transactions.init()
    FakeProducer.gone = True
    fail(bench)
    FakeProducer.gone = False
    if how == "seen":
        fail(bench)
    else:
        bench.publish()
    FakeProducer.gone = True
    fail(bench, 2 * PATIENCE)


def test_a_question_for_a_topic_that_is_not_answered_says_nothing(bench: Bench):
    bench.transactions.init()
    for _ in range(3):
        bench.plan("list_topics", UNCLASSED)
        fail(bench, PATIENCE)
