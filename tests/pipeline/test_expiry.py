"""Offers that are not seen again leave: a null for each, once, whoever is killed meanwhile, by the log's own time."""

import shutil
import time
from pathlib import Path

import pytest

from matcher.events.decision import read_decision
from matcher.events.envelope import Record
from matcher.events.features import encode_features
from matcher.events.offer import Offer
from matcher.events.place import Version
from matcher.model.bundle import load_bundle
from tests.matcher.making import features_of
from tests.pipeline.daemons import wait_until
from tests.pipeline.harness import Event, Pipeline, ending_of
from tests.pipeline.oracle import content_of
from tests.pipeline.readers import everything_on, headers_of

pytestmark = pytest.mark.kafka

BUNDLE = "untrained-dummy"
HOUR_MS = 3_600_000
BATCH = 8


class Seller:
    """Writes `offer-features` as an encoder would, at hours of our choosing: Kafka's time is what counts."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._encoder = load_bundle(BUNDLE).encoder
        self._start_ms = time.time_ns() // 1_000_000 - 1_000 * HOUR_MS
        self._next = 0

    def send(self, hour: float, *names: str) -> list[Version]:
        events, versions = [], []
        for name in names:
            versions.append(Version(0, self._next))
            look = [(ord(char) % 7) / 7 for char in f"{name:_<8}"]
            features = features_of(
                Offer(offer_id=name, title=name),
                versions[-1],
                (look * self._encoder.image_dim)[: self._encoder.image_dim],
                (look * self._encoder.text_dim)[: self._encoder.text_dim],
                encoder=self._encoder.fingerprint,
            )
            stamp = self._start_ms + round(hour * HOUR_MS)
            events.append(Event(name.encode(), encode_features(features), timestamp_ms=stamp))
            self._next += 1
        self._pipeline.send_to(self._pipeline.topics.features, *events)
        return versions


def nulls(records: list[Record]) -> list[Record]:
    return [record for record in records if record.value is None]


def state_of(pipeline: Pipeline) -> Path:
    own = pipeline.settings.matcher
    return Path(own.state_folder) / own.group


def test_offers_that_are_not_seen_again_leave_once_and_come_back_when_they_are(make_pipeline, tmp_path: Path):
    pipeline: Pipeline = make_pipeline(matcher={"expire_after": 3 * 3_600.0, "batch_size": BATCH})
    seller, matcher = Seller(pipeline), pipeline.matcher()
    quiet = [f"quiet {n}" for n in range(160)]
    versions = seller.send(0, *quiet)
    pipeline.wait_for(versions + seller.send(1, "other") + seller.send(400, "other"))
    assert nulls(pipeline.matches.records) == [], "a stream that stood still for weeks ages nobody by more than an hour"

    pipeline.wait_for(seller.send(401, "other"))
    pipeline.matches.until(lambda found: len(nulls(list(found))) >= BATCH, "the first to leave")
    matcher.kill()
    matcher = pipeline.matcher()
    pipeline.matches.until(lambda found: len(nulls(list(found))) >= len(quiet), "all to leave", pipeline.check)
    wait_until(lambda: matcher.metric("offermatch_index_offers", partition="0") == 1, "the index to be nearly empty")
    expired = matcher.metric("offermatch_offers_expired_total")
    assert expired is not None
    assert 0 < expired < len(quiet), "the one that was killed had let some go"

    back = seller.send(401.1, "quiet 7")
    pipeline.wait_for(back)
    assert pipeline.decision(back[0]).version == back[0]
    assert matcher.stop() == 0

    published = everything_on(pipeline.kafka, pipeline.topics.matches)
    gone = nulls(published)
    assert sorted(ending_of(record) or Version(0, -1) for record in gone) == versions, "each once"
    last = headers_of(gone[-1])
    named = last["ce_subject"].encode(), last["ce_type"], last["ce_id"]
    assert named == (gone[-1].key, "offer.expired", f"expired-{last['ce_offerversion']}")
    assert last["ce_cause"] == f"{pipeline.topics.features}/0/{len(quiet) + 2}"
    decided = [read_decision(record.value).version for record in published if record.value]
    assert len(decided) == len(set(decided)) == len(quiet) + 4, "nothing was decided twice"

    kept = content_of(state_of(pipeline), BUNDLE, pipeline.topics)
    assert kept.keys() == {"other", "quiet 7"}
    shutil.rmtree(state_of(pipeline))
    rebuilding = pipeline.matcher()
    rebuilding.wait_for_log("followed the log")
    assert rebuilding.stop() == 0
    assert content_of(state_of(pipeline), BUNDLE, pipeline.topics) == kept
    assert len(everything_on(pipeline.kafka, pipeline.topics.matches)) == len(published)
