"""One stream holds every kind of broken event, each between good twins: each ends as documented, the twins meet."""

import uuid
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from confluent_kafka import Producer

from matcher.events.dead_letter import read_dead_letter
from matcher.events.envelope import Record
from matcher.events.place import Place, Version
from tests.pipeline.broken_features import FEATURES
from tests.pipeline.broken_offers import PHOTOS, TEXTS, Case, Dead, Decided, Gone
from tests.pipeline.harness import Event, Pipeline, ending_of, offer
from tests.pipeline.photo_host import photo_host

pytestmark = pytest.mark.kafka

CASES = [("offers", case) for case in TEXTS + PHOTOS] + [("features", case) for case in FEATURES]


class Sent(NamedTuple):
    """A broken event, where it was put, and the good offers that were sent before and after it."""

    event: Event
    place: Place
    twins: tuple[Version, Version]


class Stream(NamedTuple):
    pipeline: Pipeline
    sent: dict[tuple[str, str], Sent]


@pytest.fixture(scope="module")
def stream(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stream]:
    """The stream, worked off: the state of things when the last good offer was decided and the lag was gone."""
    pipeline = Pipeline(kafka, tmp_path_factory.mktemp("bad-input"), photos={"timeout": 2.0, "max_bytes": 5_000_000})
    # As sellers do, and with it more than a megabyte fits into what brokers take.
    pipeline.use_producer({"compression.type": "gzip", "message.max.bytes": 100_000_000})
    with photo_host() as host:
        try:
            encoder, matcher = pipeline.encoder(), pipeline.matcher()
            sent = {}
            for topic, case in CASES:
                name, title = uuid.uuid4().hex, f"{uuid.uuid4().hex} {uuid.uuid4().hex}"
                event = case.make(name, host.url)
                (before,) = pipeline.send(offer(f"{name}-before", title))
                (place,) = pipeline.send_to(getattr(pipeline.topics, topic), event)
                (after,) = pipeline.send(offer(f"{name}-after", title))
                sent[topic, case.name] = Sent(event, place, (before, after))
            pipeline.wait_for(version for one in sent.values() for version in one.twins)
            pipeline.wait_for(
                Version(one.place.partition, one.place.offset) for (topic, _), one in sent.items() if topic == "offers"
            )
            pipeline.dead_letters.until(
                lambda found: all(any(is_of(r, sent["features", c.name].place) for r in found) for c in FEATURES),
                "a dead letter for each of the broken features",
            )
            pipeline.features.until(lambda found: len(found) >= len(pipeline.matches.records), "all features")
            encoder.check()
            matcher.check()
            yield Stream(pipeline, sent)
        finally:
            pipeline.close()


def is_of(record: Record, place: Place) -> bool:
    letter = read_dead_letter(record.headers)
    return letter is not None and letter.place == place


def test_there_are_more_than_thirty_kinds():
    names = [(topic, case.name) for topic, case in CASES]
    assert len(set(names)) == len(names) >= 30


@pytest.mark.parametrize(("topic", "case"), CASES, ids=[f"{topic}: {case.name}" for topic, case in CASES])
def test_each_ends_as_documented(stream: Stream, topic: str, case: Case):
    pipeline, one = stream.pipeline, stream.sent[topic, case.name]
    version = Version(one.place.partition, one.place.offset)
    letters = [r for r in pipeline.dead_letters.records if is_of(r, one.place)]
    decisions = [r for r in pipeline.matches.records if topic == "offers" and ending_of(r) == version]
    match case.ends:
        case Dead():
            assert decisions == []
            (letter,) = letters
            check_dead_letter(letter, one, case.ends)
        case Gone():
            assert letters == []
            assert [r.value for r in decisions] == [None]
        case Decided():
            assert letters == []
            assert [r.value is not None for r in decisions] == [True]
            features = pipeline.features_of(version)
            assert features.repairs == case.ends.repairs
            assert tuple(failure.reason for failure in features.photo_failures) == case.ends.photo_failures
            assert features.image_count == case.ends.image_count
            assert (features.image is not None) == (case.ends.image_count > 0)


def check_dead_letter(letter: Record, one: Sent, ends: Dead) -> None:
    """It is the original, byte for byte, and says where, why and how often it failed."""
    said = read_dead_letter(letter.headers)
    assert said is not None
    assert (said.stage, said.reason, said.place, said.attempt) == (ends.stage, ends.reason, one.place, 1)
    assert said.exception
    added = dict(letter.headers[len(one.event.headers) :])
    assert letter.headers[: len(one.event.headers)] == one.event.headers
    assert added.keys() - {"dl_cut"} == {
        "dl_stage", "dl_reason", "dl_exception", "dl_topic", "dl_partition", "dl_offset", "dl_attempt", "dl_time",
    }  # fmt: skip
    assert letter.key == one.event.key
    if ends.cut:
        assert one.event.value is not None
        assert added["dl_cut"] == f"value={len(one.event.value)}".encode()
        assert 0 < len(letter.value or b"") < len(one.event.value)
        assert one.event.value.startswith(letter.value or b"-")
    else:
        assert "dl_cut" not in added
        assert letter.value == one.event.value


def test_the_good_twins_around_each_are_decided_and_meet(stream: Stream):
    for (topic, name), one in stream.sent.items():
        decisions = [stream.pipeline.decision(version) for version in one.twins]
        assert sorted(d.outcome for d in decisions) == ["matched", "new_product"], f"{topic}: {name}"
        assert decisions[0].product_id == decisions[1].product_id, f"{topic}: {name}"


def test_everything_is_counted(stream: Stream):
    encoder, matcher = stream.pipeline.daemons
    for daemon, stage in ((encoder, "encoder"), (matcher, "matcher")):
        counted = {
            dict(labels)["reason"]: int(value)
            for (name, labels), value in daemon.metrics().items()
            if name == "offermatch_dead_letters_total"
        }
        ends = [case.ends.reason for _, case in CASES if isinstance(case.ends, Dead) and case.ends.stage == stage]
        assert counted == {reason: ends.count(reason) for reason in ends}
    for field in ("offer_id", "nan_literal", "json"):
        cases = [c for _, c in CASES if isinstance(c.ends, Decided) and field in c.ends.repairs]
        assert encoder.metric("offermatch_fields_repaired_total", field=field) == len(cases) > 0


def test_every_letter_says_in_plain_words_what_was_expected(stream: Stream):
    for record in stream.pipeline.dead_letters.records:
        letter = read_dead_letter(record.headers)
        assert letter is not None
        said = letter.exception
        assert "expected" in said.lower(), said
        assert "Traceback" not in said


def test_what_is_larger_than_the_topic_takes_and_what_has_no_key_stays_with_the_seller(stream: Stream):
    """Kafka itself refuses them, so that none of our processes ever sees one."""
    refusals = []
    producer = Producer(
        {"bootstrap.servers": stream.pipeline.kafka.bootstrap, "message.max.bytes": 10_000_000, "log_level": 0}
    )
    for key, value in ((b"large", uuid.uuid4().bytes * 100_000), (None, b'{"offer_id": "x", "title": "no key"}')):
        producer.produce(
            stream.pipeline.topics.offers, value, key, on_delivery=lambda error, _: refusals.append(error.name())
        )
        producer.flush(30)
    assert refusals == ["MSG_SIZE_TOO_LARGE", "INVALID_RECORD"]
