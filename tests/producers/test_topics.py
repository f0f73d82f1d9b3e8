"""Topics: made once and right, never changed in passing, and told apart when they are wrong."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from broker.ports import free_ports
from producers.topics import (
    KafkaUnreachable,
    TopicPlan,
    TopicsUnusable,
    can_produce,
    check_topics,
    create_topics,
    topic_specs,
)
from tests.kafka import make_topic


def names(plan: TopicPlan) -> list[str]:
    return [plan.offers, plan.offer_features, plan.matches, plan.needs_review, plan.verdicts, plan.dead_letters]


def test_the_table_is_that_of_the_design():
    table = {spec.name: (spec.partitions, spec.config["cleanup.policy"]) for spec in topic_specs(TopicPlan())}
    assert table == {
        "offers": (12, "compact"),
        "offer-features": (1, "compact"),
        "matches": (1, "compact"),
        "needs-review": (1, "delete"),
        "verdicts": (1, "delete"),
        "dead-letters": (1, "delete"),
    }


def test_verdicts_are_kept_for_ever_and_dead_letters_have_room_for_any_input():
    specs = {spec.name: spec.config for spec in topic_specs(TopicPlan(max_message_bytes=1000))}
    assert (specs["verdicts"]["retention.ms"], specs["verdicts"]["retention.bytes"]) == ("-1", "-1")
    assert {name: config["max.message.bytes"] for name, config in specs.items() if name != "dead-letters"} == (
        dict.fromkeys(specs.keys() - {"dead-letters"}, "1000")
    )
    assert specs["dead-letters"]["max.message.bytes"] == "2000"


def test_every_topic_of_a_matcher_has_a_partition_for_each_universe():
    partitions = {spec.name: spec.partitions for spec in topic_specs(TopicPlan(universes=4, offers_partitions=7))}
    assert {partitions[name] for name in ("offer-features", "matches", "needs-review", "verdicts")} == {4}
    assert (partitions["offers"], partitions["dead-letters"]) == (7, 1)


@pytest.mark.parametrize(("replication", "in_sync"), [(None, None), (1, None), (3, "2")])
def test_two_copies_must_be_in_sync_where_there_are_three(replication, in_sync):
    for spec in topic_specs(TopicPlan(replication=replication)):
        assert spec.replication == replication
        assert spec.config.get("min.insync.replicas") == in_sync


@pytest.mark.parametrize(
    "change", [{"universes": 0}, {"offers_partitions": -1}, {"replication": 0}, {"matches": "offers"}]
)
def test_an_impossible_plan_is_refused(change):
    with pytest.raises(ValueError, match=r"at least|same name"):
        topic_specs(dataclasses.replace(TopicPlan(), **change))


def test_where_no_broker_is_that_is_said_and_not_raised_as_something_else(capfd):
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"
    assert not can_produce(nowhere, timeout=0.5)
    with pytest.raises(KafkaUnreachable, match=nowhere):
        check_topics({"bootstrap.servers": nowhere}, TopicPlan(), {"offers"}, timeout=0.5)
    assert capfd.readouterr() == ("", "")


def test_a_name_that_the_plan_does_not_have_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="not topics of the plan: offer"):
        check_topics({"bootstrap.servers": "127.0.0.1:1"}, TopicPlan(), {"offer"})


@pytest.mark.kafka
class TestOnKafka:
    def test_made_once_then_found_right(self, kafka, topic_plan):
        config = {"bootstrap.servers": kafka}
        first = create_topics(config, topic_plan)
        assert [(outcome.name, outcome.state) for outcome in first] == [(n, "created") for n in names(topic_plan)]
        second = create_topics(config, topic_plan)
        assert [(outcome.name, outcome.state) for outcome in second] == [(n, "right") for n in names(topic_plan)]
        check_topics(config, topic_plan, names(topic_plan))

    def test_several_processes_may_make_them_at_once(self, kafka, topic_plan):
        with ThreadPoolExecutor(4) as pool:
            runs = list(pool.map(lambda _: create_topics({"bootstrap.servers": kafka}, topic_plan), range(4)))
        assert not [outcome for run in runs for outcome in run if outcome.state == "wrong"]
        for per_topic in zip(*runs, strict=True):
            assert [outcome.state for outcome in per_topic].count("created") == 1

    def test_a_missing_topic_is_named_with_the_command_that_mends_it(self, kafka, topic_plan):
        with pytest.raises(TopicsUnusable) as caught:
            check_topics({"bootstrap.servers": kafka}, topic_plan, {topic_plan.offers, topic_plan.matches})
        assert str(caught.value).splitlines() == [
            f"topic {topic_plan.offers} is missing: run `offermatch topics create`",
            f"topic {topic_plan.matches} is missing: run `offermatch topics create`",
        ]

    def test_only_the_needed_topics_count(self, kafka, topic_plan):
        make_topic(kafka, topic_plan.offers)
        with pytest.raises(TopicsUnusable):
            check_topics({"bootstrap.servers": kafka}, topic_plan, {topic_plan.matches})

    def test_wrong_topics_are_told_and_left_as_they_are(self, kafka, topic_plan):
        admin, config = AdminClient({"bootstrap.servers": kafka}), {"bootstrap.servers": kafka}
        wrong = NewTopic(topic_plan.offers, 2, config={"cleanup.policy": "delete"})
        admin.create_topics([wrong])[topic_plan.offers].result(30)
        for _ in range(2):
            outcome = create_topics(config, topic_plan)[0]
            assert (outcome.name, outcome.state) == (topic_plan.offers, "wrong")
            assert "2 partition(s), expected 3 (the count is fixed for ever" in outcome.problems[0]
            assert "cleanup.policy is delete, expected compact" in outcome.problems
        with pytest.raises(TopicsUnusable, match=f"topic {topic_plan.offers} is not as planned: it has 2 partition"):
            check_topics(config, topic_plan, {topic_plan.offers})

    def test_more_copies_than_brokers_cannot_be_had(self, kafka, topic_plan):
        with pytest.raises(TopicsUnusable, match=f"topic {topic_plan.offers} cannot be made: .*replication"):
            create_topics({"bootstrap.servers": kafka}, dataclasses.replace(topic_plan, replication=99))

    def test_the_probe_leaves_no_topic_and_counts_brokers(self, kafka):
        admin = AdminClient({"bootstrap.servers": kafka})
        before = set(admin.list_topics(timeout=10).topics)
        assert can_produce(kafka)
        assert not can_produce(kafka, brokers=99, timeout=1)
        assert set(admin.list_topics(timeout=10).topics) - before <= {"__transaction_state"}

    def test_the_limit_on_record_size_is_twice_as_high_for_dead_letters(self, kafka, topics):
        producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": 4_000_000})

        def send(topic: str) -> KafkaError | None:
            errors: list[KafkaError | None] = []
            producer.produce(topic, bytes(1_500_000), on_delivery=lambda error, _: errors.append(error))
            producer.flush(30)
            return errors[0]

        assert send(topics.dead_letters) is None
        refused = send(topics.matches)
        assert refused is not None
        assert refused.code() == KafkaError.MSG_SIZE_TOO_LARGE

    def test_a_deleted_topic_can_be_made_again(self, kafka, topics):
        admin = AdminClient({"bootstrap.servers": kafka})
        try:
            admin.delete_topics([topics.matches])[topics.matches].result(30)
        except KafkaException as error:
            pytest.fail(str(error))
        states = {outcome.name: outcome.state for outcome in create_topics({"bootstrap.servers": kafka}, topics)}
        assert states[topics.matches] == "created"
