"""Stopping: the first signal drains, commits and leaves the group; the second ends the process at once."""

import signal

import msgspec
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from broker.ports import free_ports
from consumers.stopping import FORCED
from tests.pipeline.daemons import wait_until
from tests.pipeline.harness import Pipeline, offer
from tests.pipeline.photo_host import photo_host
from tests.pipeline.readers import everything_on

pytestmark = pytest.mark.kafka


def members_of(pipeline: Pipeline, group: str) -> int:
    admin = AdminClient({"bootstrap.servers": pipeline.kafka.bootstrap})
    return len(admin.describe_consumer_groups([group])[group].result(30).members)


def committed(pipeline: Pipeline, group: str, topic: str) -> dict[int, int]:
    """partition → the offset that the group goes on from."""
    admin = AdminClient({"bootstrap.servers": pipeline.kafka.bootstrap})
    asked = [ConsumerGroupTopicPartitions(group)]
    (found,) = admin.list_consumer_group_offsets(asked).values()
    return {p.partition: p.offset for p in found.result(30).topic_partitions if p.topic == topic and p.offset >= 0}


def test_what_was_taken_is_finished_and_committed_before_the_group_is_left(make_pipeline):
    """Every photo takes as long as the test wants, so that the encoder holds offers when the signal comes."""
    pipeline: Pipeline = make_pipeline(photos={"timeout": 60.0}, process={"drain": 60.0})
    with photo_host() as host:
        encoder = pipeline.encoder().ready()
        sent = pipeline.send(
            *(offer(f"{n}", f"shirt {n}", image_urls=[f"{host.url}/gated.jpg?{n}"]) for n in range(12))
        )
        wait_until(lambda: encoder.metric("offermatch_in_flight_records") == 12, "all to be taken")
        encoder.signal(signal.SIGTERM)
        encoder.wait_for_log("stopping")
        host.gate.set()
        assert encoder.wait() == 0
    group = pipeline.settings.encoder.group
    assert members_of(pipeline, group) == 0
    features = everything_on(pipeline.kafka, pipeline.topics.features)
    assert len(features) == len(sent)
    ends = {number: max(v.offset for v in sent if v.partition == number) + 1 for number in {v.partition for v in sent}}
    assert committed(pipeline, group, pipeline.topics.offers) == ends


def test_what_is_not_finished_in_time_is_left_to_the_next(make_pipeline):
    pipeline: Pipeline = make_pipeline(photos={"timeout": 300.0}, process={"drain": 1.0})
    with photo_host() as host:
        encoder = pipeline.encoder().ready()
        ready = pipeline.send(*(offer(f"ready-{n}", f"shirt {n}") for n in range(20)))
        pipeline.features.until(lambda found: len(found) == 20, "what needs no photo")
        stuck = pipeline.send(
            *(offer(f"{n}", f"dress {n}", image_urls=[f"{host.url}/gated.jpg?{n}"]) for n in range(6))
        )
        wait_until(lambda: len(host.asked) == 6, "the photos to be asked for")
        assert encoder.stop() == 0
        assert members_of(pipeline, pipeline.settings.encoder.group) == 0
        assert len(everything_on(pipeline.kafka, pipeline.topics.features)) == 20, "nothing half done"
        host.gate.set()
        pipeline.encoder()
        pipeline.matcher()
        pipeline.wait_for(ready + stuck)
        assert all(pipeline.features_of(version).image_count == 1 for version in stuck)
    pipeline.assert_each_ended_once(ready + stuck)


def test_a_matcher_stops_between_two_batches(make_pipeline):
    pipeline: Pipeline = make_pipeline(matcher={"batch_size": 4})
    sent = pipeline.send(*(offer(f"{n}", f"shirt {n}") for n in range(400)))
    pipeline.encoder()
    matcher = pipeline.matcher()
    pipeline.matches.until(lambda found: len(found) > 20, "some decisions")
    assert matcher.stop() == 0
    group, topics = pipeline.settings.matcher.group, pipeline.topics
    assert members_of(pipeline, group) == 0
    decided = everything_on(pipeline.kafka, topics.matches)
    assert 20 < len(decided) < len(sent)
    causes = {msgspec.json.decode(record.value)["cause"]["offset"] for record in decided}
    end = committed(pipeline, group, topics.features)[0]
    assert max(causes) < end
    features = [r.offset for r in everything_on(pipeline.kafka, topics.features) if r.offset < end]
    assert causes == set(features)


def test_a_second_signal_ends_a_drain_at_once(make_pipeline):
    pipeline: Pipeline = make_pipeline(photos={"timeout": 300.0}, process={"drain": 300.0})
    with photo_host() as host:
        encoder = pipeline.encoder().ready()
        pipeline.send(offer("1", "shirt", image_urls=[f"{host.url}/gated.jpg"]))
        wait_until(lambda: len(host.asked) == 1, "the photo to be asked for")
        encoder.signal(signal.SIGTERM)
        encoder.wait_for_log("stopping")
        encoder.signal(signal.SIGINT)
        assert encoder.wait(patience=10) == FORCED
    assert everything_on(pipeline.kafka, pipeline.topics.features) == []


@pytest.mark.parametrize("command", ["encoder", "matcher"])
def test_a_second_signal_ends_a_process_that_waits_for_a_broker(make_pipeline, command: str):
    """Then Python itself is not running, but a library's call that will not be back for seconds."""
    pipeline: Pipeline = make_pipeline()
    (port,) = free_ports(1)
    nowhere = msgspec.structs.replace(pipeline.settings.kafka, bootstrap=f"127.0.0.1:{port}")
    waiting = pipeline.start(command, msgspec.structs.replace(pipeline.settings, kafka=nowhere))
    waiting.wait_for_log("readyz on http")
    waiting.signal(signal.SIGTERM)
    waiting.signal(signal.SIGINT)
    assert waiting.wait(patience=5) == FORCED
