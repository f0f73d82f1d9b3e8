"""A new bundle beside a running matcher: rehearsed unseen, switched without a word about old versions, rolled back."""

from pathlib import Path

import msgspec
import pytest
from confluent_kafka.admin import AdminClient

from consumers.rollout.rehearsal import rehearse
from matcher.model import load_bundle, save_bundle
from matcher.model.bundle import Thresholds
from matcher.rollout import Rollout
from tests.pipeline.harness import Pipeline, deletion, offer, with_prefix
from tests.pipeline.readers import everything_on

pytestmark = pytest.mark.kafka

OLD = "untrained-dummy"
TITLES = ["a red shirt of fine cotton", "two shoes for the rain", "a bag with a broken zip", "the hat nobody wears"]


@pytest.fixture
def strict(tmp_path: Path) -> str:
    """The same model, which accepts nothing by itself."""
    bundle = load_bundle(OLD)
    thresholds = Thresholds(accept=None, review=bundle.thresholds.review, margin=0.0)
    save_bundle(msgspec.structs.replace(bundle, thresholds=thresholds), tmp_path / "strict")
    return str(tmp_path / "strict")


def flips(rollout: Rollout) -> dict[tuple[str, str], int]:
    return {(flip.before, flip.after): flip.count for flip in rollout.flips}


def everything_published(pipeline: Pipeline) -> list[tuple[int, bytes | None]]:
    topics = pipeline.topics
    names = (topics.matches, topics.needs_review, topics.dead_letters)
    return [(record.offset, record.value) for name in names for record in everything_on(pipeline.kafka, name)]


def groups(pipeline: Pipeline) -> set[str]:
    admin = AdminClient({"bootstrap.servers": pipeline.kafka.bootstrap})
    found = admin.list_consumer_groups().result(30)
    assert not found.errors
    return {group.group_id for group in found.valid}


def test_a_bundle_is_rehearsed_switched_and_rolled_back(make_pipeline, strict: str):
    pipeline: Pipeline = make_pipeline()
    encoder, matcher = pipeline.encoder(), pipeline.matcher()
    events = [offer(f"{n}", TITLES[n % 4]) for n in range(40)]
    events += [offer("1", TITLES[2]), deletion("6"), offer("9", "something else altogether")]
    pipeline.wait_for(pipeline.send(*events))

    # Beside the running matcher, and unseen by it.
    published, before = everything_published(pipeline), groups(pipeline)
    assert pipeline.settings.matcher.group in before
    settings = with_prefix(pipeline.settings)
    same, found = rehearse(settings, OLD), rehearse(settings, strict)
    assert (same.offers, same.compared, same.withdrawn) == (39, 39, 1)
    assert (same.agreement, same.flips, same.products.same_mates) == (1.0, (), 1.0)
    assert flips(found) == {("matched", "needs_review"): same.before.matched}
    assert found.after.matched == 0
    assert {example.after_kind for example in found.examples} == {"needs_review"}
    assert everything_published(pipeline) == published, "a rehearsal published something"
    assert groups(pipeline) == before, "a rehearsal joined a group"

    # The switch: the log is followed with the new bundle, and nothing is said about it again.
    assert matcher.stop() == 0
    matcher = pipeline.matcher(bundle=strict).ready()
    (asked,) = pipeline.decide(offer("asked", TITLES[0]))
    assert (asked.outcome, asked.model) == ("needs_review", found.bundle)
    assert asked.probability > 0.9, "the offers from before the switch are found"
    assert_only_added(pipeline, published, {b"asked"})

    # And back: the old state goes on from where it was left.
    published = everything_published(pipeline)
    assert matcher.stop() == 0
    matcher = pipeline.matcher().ready()
    (matched,) = pipeline.decide(offer("matched", TITLES[3]))
    assert (matched.outcome, matched.model) == ("matched", same.bundle)
    (follower,) = pipeline.decide(offer("follower", TITLES[0]))
    assert follower.model == same.bundle
    assert_only_added(pipeline, published, {b"matched", b"follower"})
    assert [encoder.stop(), matcher.stop()] == [0, 0]


def assert_only_added(pipeline: Pipeline, published: list[tuple[int, bytes | None]], keys: set[bytes]) -> None:
    """What was published before stands as it did; what came since is about the offers `keys` alone."""
    topics = pipeline.topics
    records = [
        r for t in (topics.matches, topics.needs_review, topics.dead_letters) for r in everything_on(pipeline.kafka, t)
    ]
    added = [record for record in records if (record.offset, record.value) not in set(published)]
    assert len(records) - len(added) == len(published)
    assert {record.key for record in added} == keys
