"""Killed at any moment, with or without its state: every version is decided once, and as if nothing had happened."""

import random
import shutil
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from matcher.events.envelope import Record
from matcher.events.place import Version
from producers.topic_plan import create
from tests.pipeline.daemons import wait_until
from tests.pipeline.harness import Event, Pipeline, deletion, offer, with_prefix
from tests.pipeline.oracle import content_of, redecide
from tests.pipeline.readers import everything_on

pytestmark = pytest.mark.kafka

BUNDLE = "untrained-dummy"


def a_market(seed: int, events: int) -> list[Event]:
    """Offers of a few products that come, change and go."""
    draws = random.Random(seed)
    titles = ["".join(draws.choices("abcdefghijklmnopqrstuvwxyz ", k=30)) for _ in range(events // 8)]
    names = [f"offer-{n}" for n in range(events // 2)]
    return [
        deletion(draws.choice(names)) if draws.random() < 0.1 else offer(draws.choice(names), draws.choice(titles))
        for _ in range(events)
    ]


def assert_as_if_nothing_had_happened(pipeline: Pipeline, sent: list[Version], folder: Path) -> None:
    """After all processes have stopped: the log, and the state that a matcher left behind."""
    pipeline.assert_each_ended_once(sent)
    topics = pipeline.topics
    expected = redecide(everything_on(pipeline.kafka, topics.features), folder / "oracle", BUNDLE, topics)
    published = everything_on(pipeline.kafka, topics.matches)
    assert [(r.key, r.value, r.headers) for r in published] == [(r.key, r.value, r.headers) for r in expected]
    assert content_of(state_of(pipeline), BUNDLE, topics) == content_of(folder / "oracle", BUNDLE, topics)


def state_of(pipeline: Pipeline) -> Path:
    own = pipeline.settings.matcher
    return Path(own.state_folder) / own.group


def test_processes_that_are_killed_lose_nothing_and_repeat_nothing(make_pipeline, tmp_path: Path):
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    draws = random.Random(seed)
    pipeline: Pipeline = make_pipeline(encoder={"in_flight": 32}, matcher={"batch_size": 8})
    sent = pipeline.send(*a_market(seed, 1_000))
    running = {"encoder": pipeline.encoder(), "matcher": pipeline.matcher()}
    for victims in (["matcher"], ["encoder"], ["matcher", "encoder"]):
        already = len(pipeline.matches.records)
        more = draws.randint(20, 120)
        pipeline.matches.until(lambda found, enough=already + more: len(found) >= enough, f"{more} more decisions")
        for victim in victims:
            running[victim].kill()
            running[victim] = pipeline.start(victim)
    pipeline.wait_for(sent)
    assert [daemon.stop() for daemon in running.values()] == [0, 0]
    assert_as_if_nothing_had_happened(pipeline, sent, tmp_path)


def test_a_lost_state_is_rebuilt_from_the_log(make_pipeline, tmp_path: Path):
    pipeline: Pipeline = make_pipeline()
    sent = pipeline.send(*a_market(7, 300), offer("known", "a thing that is known"))
    encoder, matcher = pipeline.encoder(), pipeline.matcher()
    pipeline.wait_for(sent)
    known = pipeline.decision(sent[-1])
    assert matcher.stop() == 0
    before = everything_on(pipeline.kafka, pipeline.topics.matches)
    shutil.rmtree(state_of(pipeline))

    matcher = pipeline.matcher()
    matcher.wait_for_log("followed the log")
    twin = offer("twin", "a thing that is known")
    (decision,) = pipeline.decide(twin)
    sent.append(decision.version)
    assert (decision.outcome, decision.product_id) == ("matched", known.product_id)
    after = everything_on(pipeline.kafka, pipeline.topics.matches)
    assert values_of(after)[:-1] == values_of(before), "following published something"
    assert [encoder.stop(), matcher.stop()] == [0, 0]
    assert_as_if_nothing_had_happened(pipeline, sent, tmp_path)


def values_of(records: list[Record]) -> list[tuple[int, bytes | None]]:
    return [(record.offset, record.value) for record in records]


def test_a_state_that_knows_more_than_the_log_is_refused(make_pipeline):
    """Deciding on after the log lost records would give versions a second decision."""
    pipeline: Pipeline = make_pipeline()
    encoder, matcher = pipeline.encoder(), pipeline.matcher()
    pipeline.wait_for(pipeline.send(*a_market(3, 50)))
    assert [encoder.stop(), matcher.stop()] == [0, 0]
    admin = AdminClient({"bootstrap.servers": pipeline.kafka.bootstrap})
    lost = [pipeline.topics.features, pipeline.topics.matches]
    for future in admin.delete_topics(lost).values():
        future.result(30)
    wait_until(lambda: not set(lost) & admin.list_topics(timeout=10).topics.keys(), "the topics to be gone")
    create(with_prefix(pipeline.settings), wait=30)

    matcher = pipeline.matcher()
    assert matcher.wait() != 0
    assert "it lost records, or this is another cluster" in matcher.log
