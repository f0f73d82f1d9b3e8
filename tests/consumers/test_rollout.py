"""A rehearsal on a real Kafka that cannot begin, and how people see one that could."""

from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from rich.console import Console

from consumers.rollout.rehearsal import NothingToRehearse, rehearse
from consumers.rollout.render import rollout_view
from matcher.events.envelope import Record
from matcher.model.bundle import save_bundle
from matcher.rollout import ForeignFeatures, Rollout
from matcher.settings import Kafka, Settings, Topics
from producers.topics import TopicPlan, TopicsUnusable
from tests.matcher.rollout.making import CURRENT, SHIRT, SHOE, STRICT, changed, publish, rehearsed, seen

LOG = [seen("a", 0, SHIRT), seen("b", 1, SHIRT), seen("c", 2, SHOE)]


@pytest.fixture
def settings(kafka: str, topics: TopicPlan) -> Settings:
    return Settings(kafka=Kafka(bootstrap=kafka), topics=Topics(matches=topics.matches))


def a_bundle_for(topic: str, folder: Path, bundle=STRICT) -> str:
    """Saved, and reading `topic`."""
    save_bundle(changed(bundle, features_topic=topic), folder / "bundle")
    return str(folder / "bundle")


def put(bootstrap: str, topic: str, records: list[Record]) -> None:
    writer = Producer({"bootstrap.servers": bootstrap})
    for record in records:
        writer.produce(topic, record.value, record.key, partition=0, headers=list(record.headers))
    assert writer.flush(30) == 0


@pytest.mark.kafka
def test_an_empty_topic_is_an_error_that_says_so(settings: Settings, topics: TopicPlan, tmp_path: Path) -> None:
    with pytest.raises(NothingToRehearse, match=rf"{topics.offer_features} holds no record"):
        rehearse(settings, a_bundle_for(topics.offer_features, tmp_path))


@pytest.mark.kafka
def test_a_topic_that_is_missing_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(TopicsUnusable, match="nowhere is missing"):
        rehearse(settings, a_bundle_for("nowhere", tmp_path))


@pytest.mark.kafka
def test_another_encoders_topic_is_refused(settings: Settings, topics: TopicPlan, tmp_path: Path) -> None:
    put(settings.kafka.bootstrap, topics.offer_features, LOG)
    other = changed(CURRENT, encoder=msgspec.structs.replace(CURRENT.encoder, fingerprint="f" * 16))
    with pytest.raises(ForeignFeatures, match="expected features of encoder ffff"):
        rehearse(settings, a_bundle_for(topics.offer_features, tmp_path, other))


@pytest.mark.kafka
def test_topics_are_read_to_their_end_and_the_state_is_gone_afterwards(
    settings: Settings, topics: TopicPlan, tmp_path: Path
) -> None:
    put(settings.kafka.bootstrap, topics.offer_features, LOG)
    put(settings.kafka.bootstrap, topics.matches, publish(LOG))
    told: list[int] = []
    state = tmp_path / "state" / "made if needed"
    bundle = a_bundle_for(topics.offer_features, tmp_path)
    found = rehearse(settings, bundle, state=state, examples=1, reached=told.append)
    assert (found.compared, found.agreeing, found.features_topic) == (3, 2, topics.offer_features)
    assert len(found.examples) == 1
    assert told[-1] == 3
    assert list(state.iterdir()) == []


def shown(rollout: Rollout) -> str:
    console = Console(width=140, no_color=True)
    with console.capture() as capture:
        console.print(rollout_view(rollout))
    return capture.get()


def test_people_see_what_would_change_and_what_is_not_known() -> None:
    text = shown(rehearsed(LOG, publish(LOG), STRICT))
    for expected in (
        STRICT.fingerprint, CURRENT.fingerprint, "matched → needs review", "33.3 %", "+333.3", "title of b",
        "needs review (band)", "image_similarity 1", "compacted", "What people answered",
    ):  # fmt: skip
        assert expected in text


def test_people_see_that_nothing_could_be_compared() -> None:
    text = shown(rehearsed(LOG, [], STRICT))
    assert "nothing could be compared" in text
    assert "3 offers have no published decision" in text
