"""Records that a real Kafka refuses: one that is too large for its topic holds nothing up, and fails once or twice."""

import dataclasses
import random

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from matcher.events.dead_letter import read_dead_letter
from tests.pipeline.harness import Pipeline, offer

pytestmark = pytest.mark.kafka


def limit(pipeline: Pipeline, topic: str, size: int) -> None:
    """What somebody does to a topic behind our back: `offermatch` would not start with it."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": pipeline.kafka.bootstrap})
    admin.incremental_alter_configs([resource])[resource].result(30)


def noise(length: int, *, seed: int = 1) -> str:
    """Text that hardly packs."""
    return "".join(map(chr, random.Random(seed).choices(range(0x4E00, 0x9000), k=length)))


def letters_of(pipeline: Pipeline) -> list[tuple[str, str, str]]:
    """(stage, reason, key) of each dead letter."""
    found = [(read_dead_letter(record.headers), record) for record in pipeline.dead_letters.records]
    return [(told.stage, told.reason, (record.key or b"").decode()) for told, record in found if told is not None]


def test_what_is_too_large_becomes_a_dead_letter_and_all_around_it_is_decided(make_pipeline):
    pipeline: Pipeline = make_pipeline()
    encoder, matcher = pipeline.encoder().ready(), pipeline.matcher().ready()
    limit(pipeline, pipeline.topics.features, 20_000)
    limit(pipeline, pipeline.topics.matches, 2_000)
    names = [noise(256, seed=seed) for seed in (2, 3)]
    offers = [offer(f"small-{n}", f"shirt {n}") for n in range(40)]
    offers[7:7] = [offer("large", "a shirt of many words", description=noise(19_000))]
    offers[30:30] = [dataclasses.replace(offer(name, "linen shirt, long name"), partition=0) for name in names]
    versions = pipeline.send(*offers)
    pipeline.wait_for(versions)
    assert sorted(letters_of(pipeline)) == [("encoder", "refused", "large"), ("matcher", "refused", names[1])]
    pipeline.assert_each_ended_once(versions)
    assert pipeline.decide(offer("later", "shirt 3"))[0].outcome == "matched", "and everything goes on"
    for daemon in (encoder, matcher):
        aborted = daemon.metric("offermatch_transactions_total", result="aborted") or 0
        assert 1 <= aborted <= 5, "a few attempts, not for ever"
        daemon.check()
