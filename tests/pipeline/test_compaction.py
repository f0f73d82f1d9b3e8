"""Kafka has compacted the topics, and the nulls that said what was deleted are gone: nobody brings an offer back."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.pipeline.daemons import wait_until
from tests.pipeline.harness import Pipeline, deletion, offer
from tests.pipeline.oracle import content_of
from tests.pipeline.readers import everything_on
from tests.pipeline.test_restarts import BUNDLE, state_of

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.slow,
    pytest.mark.skipif("KAFKA_BOOTSTRAP" in os.environ, reason="changes how often the broker compacts"),
]

#: Seconds. A state may be away for half of it.
RETENTION = 10.0
OFTEN = {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0"}


def configure(admin: AdminClient, kind: ResourceType, name: str, **values: str | None) -> None:
    """Sets what has a value, and puts back to its default what has none."""
    operations = [
        ConfigEntry(
            key.replace("_", "."),
            value or "",
            incremental_operation=AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET,
        )
        for key, value in values.items()
    ]
    for future in admin.incremental_alter_configs(
        [ConfigResource(kind, name, incremental_configs=operations)]
    ).values():
        future.result(30)


@pytest.fixture
def admin(kafka: str) -> Iterator[AdminClient]:
    """Of a broker that looks for something to compact several times a second."""
    one = AdminClient({"bootstrap.servers": kafka})
    (broker,) = map(str, one.list_topics(timeout=30).brokers)
    configure(one, ResourceType.BROKER, broker, log_cleaner_backoff_ms="200")
    yield one
    configure(one, ResourceType.BROKER, broker, log_cleaner_backoff_ms=None)


def wait_for_compaction(pipeline: Pipeline, admin: AdminClient, *gone: str) -> list:
    """Sends offers until nothing with these keys is left on the topics that a matcher follows."""
    topics = (pipeline.topics.matches, pipeline.topics.features)
    often = {key.replace(".", "_"): value for key, value in OFTEN.items()}
    for topic in topics:
        configure(admin, ResourceType.TOPIC, topic, **often)
    sent = []

    def compacted() -> bool:
        sent.extend(pipeline.send(offer(f"filler-{len(sent) % 3}", "of no interest")))
        pipeline.wait_for(sent[-1:])
        keys = {record.key for topic in topics for record in everything_on(pipeline.kafka, topic)}
        return not keys & {name.encode() for name in gone}

    wait_until(compacted, "the deletions to be compacted away")
    for topic in topics:
        configure(admin, ResourceType.TOPIC, topic, delete_retention_ms=str(int(RETENTION * 1000)), segment_ms=None)
    return sent


def test_a_state_that_was_away_for_days_does_not_bring_deleted_offers_back(make_pipeline, admin: AdminClient):
    pipeline: Pipeline = make_pipeline(topics={"tombstone_retention": RETENTION})
    encoder, away = pipeline.encoder(), pipeline.matcher()
    stays, _, _ = pipeline.decide(offer("stays", "it stays"), offer("goes", "it goes"), offer("changes", "it is"))
    goes = next(d for d in pipeline.decide(offer("goes", "it goes as it came")))
    assert away.stop() == 0
    left = time.monotonic()

    folder = pipeline.folder / "other"
    other = pipeline.matcher(state_folder=str(folder))
    sent = pipeline.send(deletion("goes"), offer("changes", "it was"))
    pipeline.wait_for(sent)
    wait_for_compaction(pipeline, admin, "goes")
    assert other.stop() == 0
    before = everything_on(pipeline.kafka, pipeline.topics.matches)
    wait_until(lambda: time.monotonic() - left > RETENTION / 2, "half of the retention to be over")

    again = pipeline.matcher()
    again.wait_for_log("followed the log")
    assert "is discarded and built anew from the log: it was away" in again.log
    twins = [offer("twin of what went", "it goes as it came"), offer("twin of what stays", "it stays")]
    went, stayed = pipeline.decide(*twins)
    assert (went.outcome, went.product_id == goes.product_id) == ("new_product", False)
    assert (stayed.outcome, stayed.product_id) == ("matched", stays.product_id)
    after = everything_on(pipeline.kafka, pipeline.topics.matches)
    ends = {record.offset for record in after} - {record.offset for record in before}
    assert len(ends) == 2, "following published something"
    assert [encoder.stop(), again.stop()] == [0, 0]

    rebuilt = dict(content_of(state_of(pipeline), BUNDLE, pipeline.topics))
    assert {name for name in rebuilt if name.startswith("twin")} == {"twin of what went", "twin of what stays"}
    kept = content_of(folder / pipeline.settings.matcher.group, BUNDLE, pipeline.topics)
    assert {name: one for name, one in rebuilt.items() if not name.startswith("twin")} == kept
    assert kept.keys() >= {"stays", "changes"}


def test_a_lost_state_is_rebuilt_from_compacted_topics(make_pipeline, admin: AdminClient, tmp_path: Path):
    """Also features whose deletion is gone from `matches`, while compaction has not come to them yet."""
    pipeline: Pipeline = make_pipeline(topics={"tombstone_retention": RETENTION})
    encoder, matcher = pipeline.encoder(), pipeline.matcher()
    pipeline.decide(*(offer(f"{n}", f"thing {n % 5}") for n in range(20)))
    sent = pipeline.send(*(deletion(f"{n}") for n in range(0, 20, 3)), *(offer(f"{n}", f"new {n}") for n in range(4)))
    pipeline.wait_for(sent)
    wait_for_compaction(pipeline, admin, "6", "9")
    assert matcher.stop() == 0

    folder = tmp_path / "rebuilt"
    again = pipeline.matcher(state_folder=str(folder))
    again.wait_for_log("followed the log")
    assert [encoder.stop(), again.stop()] == [0, 0]
    rebuilt = content_of(folder / pipeline.settings.matcher.group, BUNDLE, pipeline.topics)
    assert rebuilt == content_of(state_of(pipeline), BUNDLE, pipeline.topics)
    assert {"1", "2", "4", "5"} <= rebuilt.keys()
    assert not {"6", "9", "12"} & rebuilt.keys()
