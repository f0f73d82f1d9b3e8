"""Reading a topic once: all that is committed, nothing else, and then it ends."""

from collections.abc import Callable

import pytest
from confluent_kafka import Producer

from consumers.tail import tail
from matcher.settings import Kafka
from producers.topics import KafkaUnreachable, TopicPlan, TopicsUnusable
from tests.kafka import send

pytestmark = pytest.mark.kafka


def values(bootstrap: str, topic: str) -> list[bytes | None]:
    return [record.value for record in tail(Kafka(bootstrap=bootstrap), topic, patience=20)]


def producer(bootstrap: str, transactional_id: str) -> Producer:
    made = Producer({"bootstrap.servers": bootstrap, "transactional.id": transactional_id})
    made.init_transactions(30)
    return made


def test_every_record_of_every_partition_comes_in_the_order_of_its_partition(kafka: str, topics: TopicPlan) -> None:
    writer = Producer({"bootstrap.servers": kafka})
    for n in range(3_000):
        writer.produce(topics.offers, b"%d" % n, key=b"k", partition=n % 2, headers=[("h", b"%d" % n)])
        if not n % 500:
            writer.flush(30)
    assert writer.flush(30) == 0
    records = list(tail(Kafka(bootstrap=kafka), topics.offers))
    for partition in range(2):
        of_partition = [record for record in records if record.partition == partition]
        assert [record.value for record in of_partition] == [b"%d" % n for n in range(partition, 3_000, 2)]
        assert [record.offset for record in of_partition] == list(range(1_500))
    assert records[0].headers == (("h", records[0].value),)
    assert records[0].timestamp_ms > 0


def test_an_empty_topic_is_at_its_end(kafka: str, topics: TopicPlan) -> None:
    assert values(kafka, topics.offers) == []


def test_what_was_aborted_or_is_still_open_is_not_seen(
    kafka: str, topics: TopicPlan, unique_name: Callable[[str], str]
) -> None:
    first, second = (producer(kafka, unique_name(f"t{n}")) for n in range(2))
    for what, finish in ((b"committed", first.commit_transaction), (b"aborted", first.abort_transaction)):
        first.begin_transaction()
        first.produce(topics.needs_review, what, partition=0)
        assert first.flush(30) == 0
        finish(30)
    assert values(kafka, topics.needs_review) == [b"committed"]
    second.begin_transaction()
    second.produce(topics.needs_review, b"open", partition=0)
    assert second.flush(30) == 0
    send(kafka, topics.needs_review, b"behind the open one")
    assert values(kafka, topics.needs_review) == [b"committed"]
    second.commit_transaction(30)
    assert values(kafka, topics.needs_review) == [b"committed", b"open", b"behind the open one"]


def test_it_ends_where_the_end_was_although_writing_goes_on(kafka: str, topics: TopicPlan) -> None:
    send(kafka, topics.needs_review, b"1", b"2")
    seen = []
    for record in tail(Kafka(bootstrap=kafka), topics.needs_review):
        seen.append(record.value)
        send(kafka, topics.needs_review, b"later")
    assert seen == [b"1", b"2"]


def test_a_topic_that_is_missing_is_named_with_what_makes_it(kafka: str, topics: TopicPlan) -> None:
    with pytest.raises(TopicsUnusable, match=r"nowhere is missing: run `offermatch topics create`"):
        values(kafka, f"{topics.offers}.nowhere")


def test_a_kafka_that_does_not_answer_is_an_error_and_no_empty_topic() -> None:
    with pytest.raises(KafkaUnreachable, match=r"127\.0\.0\.1:9"):
        list(tail(Kafka(bootstrap="127.0.0.1:9"), "offers", patience=0.5))
