"""Offers in, decisions out: every version is decided once, in the documented form, and products follow their offers."""

import random
import uuid

import msgspec
import pytest

from matcher.deciding.identity import product_id
from matcher.events.decision import read_decision
from matcher.events.envelope import Record, format_time
from matcher.events.place import Place, Version
from matcher.events.review import ReviewTask
from matcher.model import load_bundle, save_bundle
from matcher.model.bundle import Thresholds
from tests.pipeline.harness import Event, Pipeline, deletion, ending_of, offer
from tests.pipeline.readers import everything_on, headers_of

pytestmark = pytest.mark.kafka

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def a_title() -> str:
    """Like no other title of any test."""
    return " ".join(uuid.uuid4().hex[:6] for _ in range(6))


def test_every_offer_gets_exactly_one_decision(running: Pipeline):
    seed = random.SystemRandom().randrange(2**32)
    letters = random.Random(seed)
    titles = ["".join(letters.choices("abcdefghijklmnopqrstuvwxyz ", k=40)) for _ in range(150)]
    run = uuid.uuid4().hex[:8]
    events = [offer(f"{run}-{n}", letters.choice(titles)) for n in range(300)]
    versions = running.send(*events)
    running.wait_for(versions)
    records = [r for r in everything_on(running.kafka, running.topics.matches) if ending_of(r) in set(versions)]
    assert len(records) == len(versions), f"seed {seed}"
    assert {read_decision(r.value).offer_id for r in records} == {f"{run}-{n}" for n in range(300)}, f"seed {seed}"


def test_a_decision_is_json_in_a_cloudevent_that_leads_back_to_its_offer(running: Pipeline, a_title: str):
    told = (("ce_time", b"2024-05-06T07:08:09.123Z"), ("traceparent", TRACE), ("ce_id", b"the-seller's"))
    event = offer(f"été-{uuid.uuid4().hex[:6]}", a_title, headers=told)
    (version,) = running.send(event)
    running.wait_for([version])
    (decided,) = (r for r in running.matches.records if ending_of(r) == version)
    running.features.until(lambda records: any(ending_of(r) == version for r in records), "the features")
    (features,) = (r for r in running.features.records if ending_of(r) == version)
    offered = Place(running.topics.offers, version.partition, version.offset)

    assert decided.key == features.key == event.key
    body = msgspec.json.decode(decided.value)
    assert body["offer_id"] == event.key.decode()
    assert body["version"] == {"partition": version.partition, "offset": version.offset}
    assert body["outcome"] == "new_product"
    assert headers_of(decided) == {
        "ce_specversion": "1.0",
        "ce_id": f"decision-{version}",
        "ce_source": "/offermatch/matcher",
        "ce_type": "offer.new_product",
        "ce_time": "2024-05-06T07:08:09.123Z",
        "ce_subject": event.key.decode(),
        "ce_offerversion": str(version),
        "ce_cause": str(features.place),
        "content-type": "application/json",
        "traceparent": TRACE.decode(),
    }
    assert headers_of(features) == headers_of(decided) | {
        "ce_id": f"features-{version}",
        "ce_source": "/offermatch/encoder",
        "ce_type": "offer.encoded",
        "ce_cause": str(offered),
        "content-type": "application/msgpack",
    }


def test_the_time_of_an_event_without_ce_time_is_kafkas(running: Pipeline, a_title: str):
    (version,) = running.send(offer(f"timeless-{uuid.uuid4().hex}", a_title))
    running.wait_for([version])
    (sent,) = (r for r in everything_on(running.kafka, running.topics.offers) if place_of(r) == version)
    decided = next(r for r in running.matches.records if ending_of(r) == version)
    assert headers_of(decided)["ce_time"] == format_time(sent.timestamp_ms)


def place_of(record: Record) -> Version:
    return Version(record.partition, record.offset)


def test_twins_that_are_sent_together_end_in_one_product(running: Pipeline, a_title: str):
    twins = [offer(f"{a_title}-{n}", a_title) for n in range(8)]
    decisions = running.decide(*twins)
    assert sorted(d.outcome for d in decisions) == ["matched"] * 7 + ["new_product"]
    founder = next(d for d in decisions if d.outcome == "new_product")
    assert {d.product_id for d in decisions} == {product_id(founder.offer_id, founder.version)}
    assert all(d.probability > 0.9 and d.matched_offer_id for d in decisions if d is not founder)


def test_a_seller_is_not_matched_with_its_own_offer(running: Pipeline, a_title: str):
    (first,) = running.decide(offer(f"{a_title}-1", a_title, seller_id="S"))
    (own,) = running.decide(offer(f"{a_title}-2", a_title, seller_id="S"))
    (other,) = running.decide(offer(f"{a_title}-3", a_title, seller_id="T"))
    assert own.outcome == "new_product"
    assert own.matched_offer_id != first.offer_id, "the best candidate is named, accepted or not"
    # Both of S are equally near and of two products: a person is asked.
    assert (other.outcome, other.review_reason) == ("needs_review", "ambiguous")
    assert other.matched_offer_id in (first.offer_id, own.offer_id)


def test_an_update_moves_the_offer_and_nobody_else(running: Pipeline, a_title: str):
    (first,) = running.decide(offer(f"{a_title}-1", a_title))
    (second,) = running.decide(offer(f"{a_title}-2", a_title))
    assert second.product_id == first.product_id
    elsewhere = a_title[::-1]
    (moved,) = running.decide(offer(f"{a_title}-1", elsewhere))
    assert moved.outcome == "new_product"
    assert moved.product_id != first.product_id
    (third,) = running.decide(offer(f"{a_title}-3", a_title))
    assert (third.matched_offer_id, third.product_id) == (second.offer_id, first.product_id)
    (fourth,) = running.decide(offer(f"{a_title}-4", elsewhere))
    assert (fourth.matched_offer_id, fourth.product_id) == (moved.offer_id, moved.product_id)


def test_a_deleted_offer_is_a_null_with_its_version_and_no_candidate_any_more(running: Pipeline, a_title: str):
    (first,) = running.decide(offer(f"{a_title}-1", a_title))
    (gone,) = running.send(deletion(f"{a_title}-1"))
    running.wait_for([gone])
    (record,) = (r for r in running.matches.records if ending_of(r) == gone)
    assert (record.key, record.value) == (f"{a_title}-1".encode(), None)
    headers = headers_of(record)
    assert (headers["ce_type"], headers["ce_id"]) == ("offer.gone", f"gone-{gone}")
    (second,) = running.decide(offer(f"{a_title}-2", a_title))
    assert second.outcome == "new_product"
    assert second.matched_offer_id != first.offer_id
    assert second.product_id != first.product_id


def test_an_offer_that_comes_back_is_decided_anew(running: Pipeline, a_title: str):
    (first,) = running.decide(offer(f"{a_title}-1", a_title))
    versions = running.send(deletion(f"{a_title}-1"), offer(f"{a_title}-1", a_title))
    running.wait_for(versions)
    again = running.decision(versions[1])
    assert again.outcome == "new_product"
    assert again.product_id == product_id(again.offer_id, versions[1]) != first.product_id


def test_versions_that_come_close_together_are_decided_one_by_one_in_order(running: Pipeline, a_title: str):
    name = f"{a_title}-1"
    events = [deletion(name) if n % 5 == 4 else offer(name, f"{a_title} {n}") for n in range(50)]
    versions = running.send(*events)
    assert versions == sorted(versions)
    running.wait_for(versions)
    ended = [ending_of(r) for r in running.matches.records if r.key == name.encode()]
    assert ended == versions


def test_deleting_an_offer_that_nobody_knows_is_a_null_too(running: Pipeline):
    (version,) = running.send(Event(uuid.uuid4().hex.encode(), None))
    running.wait_for([version])
    (record,) = (r for r in running.matches.records if ending_of(r) == version)
    assert record.value is None


def test_doubtful_offers_reach_the_work_list_consistently(make_pipeline, tmp_path, a_title: str):
    # Nothing is certain enough for this bundle, and nothing too unlikely to ask.
    certain = msgspec.structs.replace(
        load_bundle("untrained-dummy"), thresholds=Thresholds(accept=1.0, review=0.0, margin=0.0)
    )
    bundle = save_bundle(certain, tmp_path / "bundle")
    pipeline = make_pipeline(matcher={"bundle": str(tmp_path / "bundle")})
    pipeline.encoder()
    pipeline.matcher()
    events = [offer(f"{n}", f"{a_title} {n % 3}", description="d" * 10_000, price="$5") for n in range(30)]
    decisions = {d.offer_id: d for d in pipeline.decide(*events)}
    asked = {name: d for name, d in decisions.items() if d.outcome == "needs_review"}
    assert len(asked) == 29, "the first has no candidate, all others have one that is not certain"
    records = everything_on(pipeline.kafka, pipeline.topics.needs_review)
    tasks = {r.key.decode(): msgspec.json.decode(r.value, type=ReviewTask) for r in records}
    assert len(records) == len(tasks)
    assert tasks.keys() == asked.keys()
    for name, task in tasks.items():
        decision = asked[name]
        assert (task.review_id, task.version, task.cause, task.product_id, task.reason, task.model) == (
            decision.review_id, decision.version, decision.cause, decision.product_id, "band", bundle.fingerprint,
        )  # fmt: skip
        assert task.product_id == product_id(name, decision.version), "a provisional product of its own"
        assert task.candidates[0].candidate.offer_id == decision.matched_offer_id
        assert 1 <= len(task.candidates) <= 3
        assert all(c.candidate.product_id == decisions[c.candidate.offer_id].product_id for c in task.candidates)
        assert all(c.offer.offer_id == c.candidate.offer_id for c in task.candidates)
    heads = [headers_of(r) for r in records]
    assert {(h["ce_type"], h["ce_id"]) for h in heads} == {
        ("review.requested", f"review-{d.version}") for d in asked.values()
    }
