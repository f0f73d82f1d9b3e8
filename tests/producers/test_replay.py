"""Replaying a table: what is sent, how fast, and what is said about the rows that were not."""

import random
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from matcher.clock import SystemClock
from matcher.events.envelope import OFFERED, Outgoing, Seen
from matcher.settings import Kafka
from producers.feed import SIMULATED, OfferToSend, feed
from producers.plain import NotDeliveredError, Publisher, Refusal
from producers.replay import MALFORMED_KEPT, Progress, replay
from producers.tables import BadRow, TableRow
from producers.topics import TopicPlan


class HandClock:
    """A clock that moves when somebody waits."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def now_ms(self) -> int:
        return round(self.now * 1000)

    def monotonic(self) -> float:
        return self.now


class Taken:
    """A sink that takes everything but the keys in `refuse`, and remembers when."""

    def __init__(self, clock: HandClock, refuse: tuple[str, ...] = ()) -> None:
        self._clock = clock
        self._refuse = refuse
        self.records: list[Outgoing] = []
        self.times: list[float] = []
        self.finished = False
        self.delivered = 0
        self.refused = 0
        self.refusals: tuple[Refusal, ...] = ()

    def send(self, record: Outgoing) -> None:
        key = (record.key or b"").decode()
        if key in self._refuse:
            self.refused += 1
            self.refusals += (Refusal(key, "no"),)
            return
        self.delivered += 1
        self.records.append(record)
        self.times.append(self._clock.now)

    def wait(self, seconds: float) -> None:
        self._clock.now += seconds

    def finish(self) -> None:
        self.finished = True


def row(offer_id: str, line: int) -> TableRow:
    value = b'{"offer_id":"' + offer_id.encode() + b'"}'
    return TableRow(line=line, key=offer_id.encode(), value=value, offer_id=offer_id, product_id=None, photo_files=1)


def rows(count: int) -> Iterator[TableRow]:
    return (row(f"o{n}", n + 2) for n in range(count))


def test_every_row_is_sent_in_order_as_a_cloud_event_with_an_id_that_a_second_replay_repeats() -> None:
    clock = HandClock()
    sinks = [Taken(clock), Taken(clock)]
    for sink in sinks:
        replay(rows(3), sink, lambda _: None, name="luma/offers.csv", topic="offers", clock=clock)
        clock.now += 5
    assert [(r.topic, r.key, r.value) for r in sinks[0].records] == [
        ("offers", f"o{n}".encode(), f'{{"offer_id":"o{n}"}}'.encode()) for n in range(3)
    ]
    headers = dict(sinks[0].records[0].headers)
    assert headers["ce_type"] == OFFERED.encode()
    assert headers["ce_source"] == b"/offermatch/replay"
    assert headers["ce_subject"] == b"o0"
    assert Seen.of(sinks[0].records[0].headers).time_ms == 1_000_000
    assert Seen.of(sinks[1].records[0].headers).time_ms == 1_005_000
    ids = [[dict(r.headers)["ce_id"] for r in sink.records] for sink in sinks]
    assert ids[0] == ids[1] == [b"luma/offers.csv:2", b"luma/offers.csv:3", b"luma/offers.csv:4"]


def test_malformed_refused_and_repeated_rows_are_counted_and_the_first_are_named() -> None:
    clock = HandClock()
    sink = Taken(clock, refuse=("big",))
    table: list[TableRow | BadRow] = [row("a", 2), BadRow(3, "no offer_id"), row("a", 4), row("big", 5)]
    table += [BadRow(line, "x") for line in range(6, 60)]
    summary = replay(table, sink, lambda _: None, name="t", topic="offers", clock=clock)
    assert (summary.sent, summary.updates, summary.malformed, summary.refused) == (2, 1, 55, 1)
    assert summary.malformed_rows[0] == BadRow(3, "no offer_id")
    assert len(summary.malformed_rows) == MALFORMED_KEPT
    assert summary.refusals == (Refusal("big", "no"),)
    assert summary.photo_files == 3
    assert not summary.complete
    assert sink.finished


def test_a_rate_spaces_the_offers_evenly_and_a_limit_ends_them() -> None:
    clock = HandClock()
    sink = Taken(clock)
    summary = replay(rows(1_000), sink, lambda _: None, name="t", topic="o", clock=clock, rate=4, limit=9)
    assert sink.times == [pytest.approx(1_000 + n / 4) for n in range(9)]
    assert summary.seconds == pytest.approx(2)
    assert summary.complete


def test_progress_is_told_on_the_way_and_at_the_end() -> None:
    clock = HandClock()
    told: list[Progress] = []
    table: list[TableRow | BadRow] = [row("a", 2), BadRow(3, "x"), row("b", 4), row("c", 5)]
    replay(table, Taken(clock), told.append, name="t", topic="o", clock=clock, rate=1)
    assert told == [Progress(2, 1), Progress(3, 1), Progress(3, 1)]


def test_an_empty_table_is_replayed_in_no_time() -> None:
    clock = HandClock()
    summary = replay([], Taken(clock), lambda _: None, name="t", topic="o", clock=clock)
    assert (summary.sent, summary.updates, summary.malformed) == (0, 0, 0)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    clock = HandClock()
    with pytest.raises(ValueError, match="rate"):
        feed([], Taken(clock), topic="o", source=SIMULATED, clock=clock, rate=rate)


@pytest.mark.kafka
def test_kafka_has_every_offer_in_the_order_of_its_key(kafka: str, topics: TopicPlan) -> None:
    table = [row(f"o{n % 50}", n) for n in range(2_000)]
    with Publisher(Kafka(bootstrap=kafka), SystemClock()) as publisher:
        summary = replay(table, publisher, lambda _: None, name="t", topic=topics.offers, clock=SystemClock())
    assert (summary.sent, summary.updates, summary.refused) == (2_000, 1_950, 0)
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "reader", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topics.offers, p, 0) for p in range(topics.offers_partitions)])
        messages: list[Message] = []
        while len(messages) < 2_000:
            found = consumer.consume(2_000, 30)
            assert found, "not everything came"
            messages += found
    finally:
        consumer.close()
    lines: dict[bytes, list[int]] = {}
    for message in messages:
        event_id = dict(message.headers())["ce_id"].decode()
        lines.setdefault(message.key(), []).append(int(event_id.rpartition(":")[2]))
    assert len(lines) == 50
    assert all(of_key == sorted(of_key) for of_key in lines.values())


@pytest.mark.kafka
def test_an_offer_that_the_broker_does_not_take_is_named_and_its_neighbours_arrive(
    kafka: str, topics: TopicPlan
) -> None:
    clock = SystemClock()
    noise = random.Random(7).randbytes(1_500_000)  # above the topic's limit, however it is compressed
    sizes = {"too-big-for-the-client": noise * 4, "too-big-for-the-broker": noise}
    offers = [
        OfferToSend(key=key.encode(), value=sizes.get(key, b"{}"), event_id=key)
        for key in ("a", "too-big-for-the-client", "b", "too-big-for-the-broker", "c")
    ]
    publisher = Publisher(Kafka(bootstrap=kafka), clock)
    feed(offers, publisher, topic=topics.offers, source=SIMULATED, clock=clock)
    assert publisher.delivered == 3
    assert publisher.refused == 2
    assert sorted(refusal.key for refusal in publisher.refusals) == sorted(sizes)
    assert all("too large" in refusal.reason for refusal in publisher.refusals)


def test_a_kafka_that_is_not_there_is_an_error_and_not_a_success() -> None:
    publisher = Publisher(Kafka(bootstrap="127.0.0.1:9"), SystemClock(), patience=0.5)
    publisher.send(Outgoing(topic="offers", key=b"a", value=b"{}"))
    with pytest.raises(NotDeliveredError, match=r":9 did not answer .* 0 records were taken, .* 1 are open"):
        publisher.finish()
