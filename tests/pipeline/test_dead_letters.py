"""Dead letters of a running pipeline: replayed they are decided once; too many of them stop the process for good."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

import consumers.deadletters.replay
from consumers.deadletters.letters import Filter, find_letter, read_filter, read_letters
from consumers.deadletters.listing import list_letters
from consumers.deadletters.outcome import NoOutcomeError
from consumers.deadletters.replay import Options, Replayed, replay_letters
from matcher.clock import SystemClock
from matcher.events.dead_letter import read_dead_letter
from matcher.events.envelope import Outgoing
from matcher.events.place import Version
from producers.dead_letters import replayed_record
from tests.pipeline.daemons import wait_until
from tests.pipeline.harness import Event, Pipeline, deletion, ending_of, offer, with_prefix
from tests.pipeline.readers import everything_on

pytestmark = pytest.mark.kafka

ALL = Filter()
GARBAGE = b"\xffno offer"


def replay(pipeline: Pipeline, chosen: Filter = ALL, **options: Any) -> Replayed:
    return replay_letters(with_prefix(pipeline.settings), chosen, Options(**options))


def decisions(pipeline: Pipeline) -> Counter[Version]:
    return Counter(version for r in everything_on(pipeline.kafka, pipeline.topics.matches) if (version := ending_of(r)))


def photo_offer(folder: Path, name: str) -> Event:
    """An offer that is nothing without its photo."""
    return offer(name, image_urls=[(folder / "photos" / f"{name}.png").as_uri()])


def paint(folder: Path, name: str) -> None:
    (folder / "photos").mkdir(exist_ok=True)
    Image.effect_noise((64, 64), 80).convert("RGB").save(folder / "photos" / f"{name}.png")


def test_letters_whose_cause_is_mended_are_decided_once_however_often_they_are_replayed(make_pipeline):
    pipeline: Pipeline = make_pipeline()
    pipeline.encoder()
    pipeline.matcher()
    names = [f"offer-{n}" for n in range(6)]
    versions = dict(zip(names, pipeline.send(*(photo_offer(pipeline.folder, name) for name in names)), strict=True))
    pipeline.wait_for(versions.values())
    newer = pipeline.send(offer("offer-0", "a title after all"), deletion("offer-1"))
    pipeline.wait_for(newer)
    assert not decisions(pipeline).keys() & set(versions.values())

    settings = with_prefix(pipeline.settings)
    listing = list_letters(settings, Filter(), 2)
    assert [(one.stage, one.reason, one.count) for one in listing.by_reason] == [("encoder", "no_content", 6)]
    assert len(listing.letters) == 2
    shown = find_letter(settings, listing.letters[-1].name)
    assert shown.told.place == read_dead_letter(shown.record.headers).place
    for name in names[:4]:
        paint(pipeline.folder, name)

    planned = replay(pipeline, dry_run=True)
    assert (planned.chosen, planned.sent, planned.superseded, planned.dry_run) == (6, 4, 2, True)
    assert replay(pipeline, dry_run=True) == planned, "looking changes nothing"
    assert replay(pipeline, read_filter("matcher", None, None, None, now_ms=0)).chosen == 0
    assert replay(pipeline, Filter(until_ms=1)).chosen == 0
    assert replay(pipeline, Filter(since_ms=SystemClock().now_ms() + 60_000)).chosen == 0

    done = replay(pipeline)
    assert (done.sent, done.superseded, done.put_back, done.failed) == (4, 2, 0, None)
    mended, still = [versions[name] for name in names[2:4]], [versions[name] for name in names[4:]]
    wait_until(lambda: set(mended) <= decisions(pipeline).keys(), "the decisions on what was replayed")

    def letters() -> Counter[Version]:
        found = everything_on(pipeline.kafka, pipeline.topics.dead_letters)
        return Counter(version for record in found if (version := ending_of(record)))

    wait_until(lambda: [letters()[version] for version in still] == [2, 2], "the letters that failed again")
    again = replay(pipeline)
    assert (again.chosen, again.sent, again.superseded, again.replayed_before) == (6, 2, 2, 2)
    wait_until(lambda: [letters()[version] for version in still] == [3, 3], "the third attempt")
    assert {read_letter.told.attempt for read_letter in read_letters(settings, Filter())} == {1, 2, 3}
    found = decisions(pipeline)
    assert {version: found[version] for version in [*mended, *newer]} == dict.fromkeys([*mended, *newer], 1)
    assert not found.keys() & {versions["offer-0"], versions["offer-1"], *still}, "superseded and failed ones stay dead"


def test_it_stops_at_the_first_new_failure_when_asked_to(make_pipeline):
    pipeline: Pipeline = make_pipeline()
    pipeline.encoder()
    pipeline.matcher()
    pipeline.wait_for(pipeline.send(*(photo_offer(pipeline.folder, f"offer-{n}") for n in range(4))))
    letters = sorted(read_letters(with_prefix(pipeline.settings), Filter()), key=lambda letter: letter.told.place)
    paint(pipeline.folder, letters[0].record.key.decode())
    done = replay(pipeline, stop_on_failure=True)
    assert done.sent_letters == (letters[0].name, letters[1].name)
    failed = find_letter(with_prefix(pipeline.settings), done.failed)
    assert (failed.told.place, failed.told.attempt) == (letters[1].told.place, 2)


def test_waiting_for_an_outcome_ends_with_clear_words_where_nobody_reads(make_pipeline):
    pipeline: Pipeline = make_pipeline()
    encoder = pipeline.encoder()
    pipeline.wait_for(pipeline.send(Event(b"a", GARBAGE)))
    assert encoder.stop() == 0
    with pytest.raises(NoOutcomeError, match="expected a running encoder that keeps up"):
        replay(pipeline, stop_on_failure=True, patience=0.5)


def test_features_that_a_wrong_bundle_refused_are_decided_when_the_right_one_is_back(make_pipeline):
    pipeline: Pipeline = make_pipeline()
    pipeline.encoder()
    wrong = pipeline.matcher(bundle="untrained")
    versions = pipeline.send(*(offer(f"offer-{n}", f"a title {n}") for n in range(5)))
    pipeline.wait_for(versions)
    assert wrong.stop() == 0
    pipeline.matcher()
    chosen = read_filter("matcher", "foreign_encoder", "1h", None, now_ms=SystemClock().now_ms())
    first = replay(pipeline, chosen, limit=2)
    assert (first.sent, replay(pipeline, chosen, stop_on_failure=True).sent) == (2, 3)
    wait_until(lambda: decisions(pipeline) == Counter(versions), "a decision on each")
    assert replay(pipeline, chosen).replayed_before == 5


def test_a_version_that_comes_in_just_before_the_replay_stays_on_top(make_pipeline, monkeypatch: pytest.MonkeyPatch):
    pipeline: Pipeline = make_pipeline()
    pipeline.encoder()
    (old,) = pipeline.send(Event(b"offer-1", GARBAGE))
    pipeline.wait_for([old])
    between: list[Version] = []

    def seller_first(*args: Any) -> Outgoing:
        between.extend(pipeline.send(offer("offer-1", "just in time")))
        return replayed_record(*args)

    monkeypatch.setattr(consumers.deadletters.replay, "replayed_record", seller_first)
    assert replay(pipeline).put_back == 1
    log = [r for r in everything_on(pipeline.kafka, pipeline.topics.offers) if r.key == b"offer-1"]
    assert [record.value == log[1].value for record in log] == [False, True, False, True]
    pipeline.matcher()
    pipeline.wait_for(between)
    assert decisions(pipeline) == Counter(between)


@pytest.mark.parametrize("command", ["encoder", "matcher"])
def test_a_process_that_would_send_everything_there_stops_and_restarts_do_not_help_it(
    make_pipeline: Callable[..., Pipeline], command: str
):
    pipeline = make_pipeline(dead_letters={"run": 5, "linger": 600.0})
    topic = pipeline.topics.offers if command == "encoder" else pipeline.topics.features
    bad = [Event(b"key", GARBAGE, partition=0)] * 5
    process = pipeline.start(command)
    pipeline.send_to(topic, *bad)
    pipeline.dead_letters.until(lambda found: len(found) == 5, "as many dead letters as are allowed", process.check)
    labels = {"topic": topic, "partition": "0"}
    wait_until(lambda: process.metric("offermatch_dead_letter_run_records", **labels) == 5, "the run on /metrics")
    pipeline.send_to(topic, *bad)
    wait_until(lambda: process.metric("offermatch_dead_letter_limit_reached") == 1, "the alarm")
    assert process.get("/readyz")[0] == 503
    assert process.stop() == 1
    last = process.log.splitlines()[-1]
    assert last.startswith(f"offermatch: stopped: more than 5 dead letters in a row in {topic}/0, the last at offset ")
    assert "OFFERMATCH_DEAD_LETTERS_RUN" in last

    quick = msgspec.structs.replace(pipeline.settings.dead_letters, linger=0.0)
    for _ in range(2):
        assert pipeline.start(command, msgspec.structs.replace(pipeline.settings, dead_letters=quick)).wait() == 1
    assert len(everything_on(pipeline.kafka, pipeline.topics.dead_letters)) == 5

    higher = msgspec.structs.replace(quick, run=100)
    process = pipeline.start(command, msgspec.structs.replace(pipeline.settings, dead_letters=higher))
    pipeline.dead_letters.until(lambda found: len(found) == 10, "what was held back", process.check)
    assert process.stop() == 0
    places = {read_dead_letter(record.headers).place for record in pipeline.dead_letters.records}
    assert len(places) == 10, "nothing is lost and nothing twice"
