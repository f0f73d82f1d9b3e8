"""What a running process tells of itself over HTTP, and what stops one before it takes any work."""

import msgspec
import pytest
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from matcher.metrics import STAGES
from tests.pipeline.daemons import Daemon, wait_until
from tests.pipeline.harness import Pipeline, deletion, offer
from tests.pipeline.photo_host import photo_host

pytestmark = pytest.mark.kafka

BY_ENCODER = {
    "offermatch_records_consumed_total", "offermatch_offers_encoded_total", "offermatch_dead_letters_total",
    "offermatch_fields_repaired_total", "offermatch_photos_loaded_total", "offermatch_transactions_total",
    "offermatch_batch_offers_count", "offermatch_consumer_lag_records", "offermatch_in_flight_records",
    "offermatch_loop_heartbeat_timestamp_seconds", "offermatch_ready", "offermatch_model_info",
    "offermatch_photo_load_seconds_count", "offermatch_encode_images_seconds_count",
    "offermatch_encode_texts_seconds_count", "offermatch_publish_seconds_count",
}  # fmt: skip
BY_MATCHER = {
    "offermatch_records_consumed_total", "offermatch_offers_decided_total", "offermatch_transactions_total",
    "offermatch_batch_offers_count", "offermatch_event_to_decision_seconds_count",
    "offermatch_index_offers", "offermatch_index_bytes", "offermatch_consumer_lag_records",
    "offermatch_loop_heartbeat_timestamp_seconds", "offermatch_ready", "offermatch_model_info",
    "offermatch_decode_seconds_count", "offermatch_project_seconds_count", "offermatch_search_seconds_count",
    "offermatch_verify_seconds_count",
    "offermatch_decide_seconds_count", "offermatch_apply_seconds_count", "offermatch_publish_seconds_count",
}  # fmt: skip


def test_metrics_count_what_happened(make_pipeline):
    pipeline: Pipeline = make_pipeline()
    encoder, matcher = pipeline.encoder(), pipeline.matcher()
    with photo_host() as host:
        versions = pipeline.send(
            *(offer(f"{n}", f"shirt {n % 4}", image_urls=[f"{host.url}/good.jpg"]) for n in range(20)),
            offer("repaired", "boot", price="$5"),
            offer("broken"),
        )
        pipeline.wait_for(versions)
        # Not before: a deletion cancels a version whose photos are still being fetched.
        pipeline.wait_for(pipeline.send(deletion("3")))
    topics = pipeline.topics
    assert {name for name, _ in encoder.metrics()} >= BY_ENCODER
    assert {name for name, _ in matcher.metrics()} >= BY_MATCHER
    assert {f"offermatch_{stage}_seconds_count" for stage in STAGES} <= BY_ENCODER | BY_MATCHER

    assert encoder.metric("offermatch_records_consumed_total", topic=topics.offers) == 23
    assert encoder.metric("offermatch_photos_loaded_total", result="ok") == 20
    assert encoder.metric("offermatch_dead_letters_total", stage="encoder", reason="no_content") == 1
    assert encoder.metric("offermatch_fields_repaired_total", field="price") == 1
    assert encoder.metric("offermatch_in_flight_records") == 0
    decided = {
        dict(labels)["outcome"]: value
        for (name, labels), value in matcher.metrics().items()
        if name == "offermatch_offers_decided_total"
    }
    assert decided["gone"] == 1
    assert sum(decided.values()) == 22
    assert matcher.metric("offermatch_event_to_decision_seconds_count") == 21
    assert matcher.metric("offermatch_index_offers", partition="0") == 20
    assert matcher.metric("offermatch_index_bytes", partition="0") >= 20 * 576 * 4
    model = next(dict(labels) for name, labels in matcher.metrics() if name == "offermatch_model_info")
    assert model["bundle"] == pipeline.decision(versions[0]).model
    for daemon, partitions in ((encoder, 3), (matcher, 1)):
        wait_until(lambda d=daemon, n=partitions: lags_of(d) == [0.0] * n, "the lag to be gone")


def lags_of(daemon: Daemon) -> list[float]:
    return [value for (name, _), value in daemon.metrics().items() if name == "offermatch_consumer_lag_records"]


def test_probes_answer_and_everything_else_is_not_found(running: Pipeline):
    for daemon in running.daemons:
        for path in ("/livez", "/readyz"):
            status, body = daemon.get(path)
            report = msgspec.json.decode(body)
            assert status == 200
            assert report["alive"]
            assert report["ready"]
            assert all(report["conditions"].values())
        for path in ("/", "/metric", "/metrics/x", "/livez?x=/", "/../etc/passwd"):
            assert daemon.get(path)[0] == (200 if path.startswith("/livez?") else 404)


@pytest.mark.parametrize("command", ["encoder", "matcher"])
def test_a_missing_topic_stops_a_process_with_its_name(make_pipeline, command: str):
    pipeline: Pipeline = make_pipeline()
    elsewhere = msgspec.structs.replace(pipeline.settings.topics, dead_letters="nowhere")
    daemon = pipeline.start(command, msgspec.structs.replace(pipeline.settings, topics=elsewhere))
    assert daemon.wait() == 1
    assert f"topic {elsewhere.prefix}nowhere is missing: run `offermatch topics create`" in daemon.log


def test_a_topic_that_is_not_as_planned_stops_a_process_with_what_is_wrong(make_pipeline):
    pipeline: Pipeline = make_pipeline()
    admin = AdminClient({"bootstrap.servers": pipeline.kafka.bootstrap})
    set_cleanup(admin, pipeline.topics.offers, "delete")
    encoder = pipeline.encoder()
    assert encoder.wait() == 1
    assert "cleanup.policy is delete, expected compact" in encoder.log

    for future in admin.create_partitions([NewPartitions(pipeline.topics.matches, 2)]).values():
        future.result(30)
    matcher = pipeline.matcher()
    assert matcher.wait() == 1
    assert "it has 2 partition(s), expected 1" in matcher.log


def test_a_state_folder_that_is_in_use_stops_a_process_with_who_uses_it(make_pipeline):
    pipeline: Pipeline = make_pipeline()
    pipeline.encoder()
    first = pipeline.matcher().ready()
    second = pipeline.matcher()
    assert second.wait() == 1
    assert f"is in use by process {first.pid}; a state belongs to one process" in second.log
    assert "give this one a state folder of its own" in second.log
    pipeline.daemons.remove(second)
    second.end()
    pipeline.wait_for(pipeline.send(offer("1", "shirt")))


def test_records_that_were_deleted_unread_stop_the_process(make_pipeline):
    pipeline: Pipeline = make_pipeline()
    encoder = pipeline.encoder()
    versions = pipeline.send(*(offer(f"{n}", f"shirt {n}") for n in range(30)))
    pipeline.features.until(lambda found: len(found) == 30, "the features")
    assert encoder.stop() == 0
    pipeline.send(*(offer(f"{n}", f"dress {n}") for n in range(30)))
    admin = AdminClient({"bootstrap.servers": pipeline.kafka.bootstrap})
    end = TopicPartition(pipeline.topics.offers, versions[0].partition, OFFSET_END)
    set_cleanup(admin, pipeline.topics.offers, "delete")  # Kafka deletes single records of no compacted topic
    for future in admin.delete_records([end]).values():
        future.result(30)
    set_cleanup(admin, pipeline.topics.offers, "compact")
    encoder = pipeline.encoder()
    assert encoder.wait() != 0
    assert "records were deleted unread" in encoder.log


def set_cleanup(admin: AdminClient, topic: str, policy: str) -> None:
    entry = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)
