"""A second matcher takes over, a second encoder shares the work; one that stood still harms nobody when it wakes."""

import re
import signal
from pathlib import Path

import msgspec
import pytest

from consumers.status import Report
from matcher.settings import Topics
from tests.pipeline.daemons import Daemon, wait_until
from tests.pipeline.harness import Pipeline, offer
from tests.pipeline.test_restarts import assert_as_if_nothing_had_happened

pytestmark = pytest.mark.kafka

FOLLOWED = re.compile(r"followed the log, (\d+) records applied")


def some_offers(name: str, count: int):
    return [offer(f"{name}-{n}", f"{name} {n % 50} of them") for n in range(count)]


def role(matcher: Daemon) -> str | None:
    """What it says it is to the one partition there is."""
    report = msgspec.json.decode(matcher.get("/readyz")[1], type=Report)
    return report.roles.get("0")


def owns(matcher: Daemon) -> bool:
    return role(matcher) == "owner"


def keeps_up(standby: Daemon, topics: Topics) -> bool:
    lags = [
        standby.metric("offermatch_standby_lag_records", topic=topic, partition="0")
        for topic in (topics.matches, topics.features)
    ]
    return role(standby) == "standby" and lags == [0, 0]


def encoders_share(encoders: list[Daemon], topic: str) -> list[set[str]]:
    """The partitions of `offers` that each of these encoders says it reads."""
    return [
        {
            dict(labels)["partition"]
            for name, labels in encoder.metrics()
            if name == "offermatch_consumer_lag_records" and dict(labels)["topic"] == topic
        }
        for encoder in encoders
    ]


def test_a_standby_takes_over_from_a_matcher_that_is_killed(make_pipeline, tmp_path: Path):
    """And what comes out is what one process alone would have decided."""
    pipeline: Pipeline = make_pipeline(matcher={"batch_size": 8})
    pipeline.encoder()
    first = pipeline.matcher().ready()
    sent = pipeline.send(*some_offers("a", 100))
    pipeline.wait_for(sent)
    standby = pipeline.matcher(state_folder=str(pipeline.folder / "standby")).ready()
    assert (role(first), role(standby)) == ("owner", "standby")
    wait_until(lambda: keeps_up(standby, pipeline.topics), "the standby to be where the log is")
    assert standby.metric("offermatch_standby_offers", partition="0") == 100
    assert first.metric("offermatch_standby_offers", partition="0") is None

    sent += pipeline.send(*some_offers("b", 200))
    pipeline.matches.until(lambda found: len(found) > 130, "some more decisions")
    first.kill()
    pipeline.wait_for(sent)
    wait_until(lambda: owns(standby), "the standby to own the partition")
    assert standby.metric("offermatch_standby_offers", partition="0") is None
    assert int(FOLLOWED.findall(standby.log)[-1]) < 130, "it had followed before it took over"

    # The successor leaves in order: the next one need not wait for its session to run out.
    second = pipeline.matcher().ready()
    assert standby.stop() == 0
    wait_until(lambda: owns(second), "the second to own the partition")
    sent += pipeline.send(*some_offers("c", 50))
    pipeline.wait_for(sent)
    assert second.stop() == 0
    assert_as_if_nothing_had_happened(pipeline, sent, tmp_path)


def test_a_matcher_that_stood_still_becomes_the_standby_of_its_successor(make_pipeline, tmp_path: Path):
    """And goes on from where it stood, until it takes over again: its state was opened once."""
    pipeline: Pipeline = make_pipeline(matcher={"batch_size": 4})
    encoder = pipeline.encoder()
    frozen = pipeline.matcher().ready()
    standby = pipeline.matcher(state_folder=str(pipeline.folder / "standby")).ready()
    sent = pipeline.send(*some_offers("a", 300))
    pipeline.matches.until(lambda found: len(found) > 50, "some decisions")
    frozen.signal(signal.SIGSTOP)
    wait_until(lambda: owns(standby), "the standby to own the partition")
    pipeline.matches.until(lambda found: len(found) > 200, "decisions of the successor")
    frozen.signal(signal.SIGCONT)
    pipeline.wait_for(sent)
    wait_until(lambda: not owns(frozen), "the one that woke to give the partition up")
    sent += pipeline.send(*some_offers("b", 50))
    pipeline.wait_for(sent)
    for matcher in (frozen, standby):
        matcher.check()
    wait_until(lambda: keeps_up(frozen, pipeline.topics), "the one that woke to be where the log is")
    assert standby.stop() == 0
    pipeline.daemons.remove(standby)
    standby.end()
    wait_until(lambda: owns(frozen), "the one that woke to own the partition again")
    sent += pipeline.send(*some_offers("c", 20))
    pipeline.wait_for(sent)
    encoder.check()
    assert frozen.stop() == 0
    assert_as_if_nothing_had_happened(pipeline, sent, tmp_path)


def test_encoders_share_the_partitions_and_one_that_stood_still_repeats_nothing(make_pipeline):
    pipeline: Pipeline = make_pipeline(encoder={"in_flight": 16}, topics={"offers_partitions": 4})
    pipeline.matcher()
    first = pipeline.encoder(slot=0).ready()
    offers = pipeline.topics.offers
    sent = pipeline.send(*some_offers("a", 60))
    pipeline.wait_for(sent)
    wait_until(lambda: encoders_share([first], offers) == [{"0", "1", "2", "3"}], "the first to read everything")

    second = pipeline.encoder(slot=1).ready()

    def shared() -> bool:
        one, other = encoders_share([first, second], offers)
        return len(one) == len(other) == 2 and one | other == {"0", "1", "2", "3"}

    sent += pipeline.send(*some_offers("b", 60))
    wait_until(shared, "both to say what they read, and no longer what they do not")
    sent += pipeline.send(*some_offers("c", 400))
    pipeline.features.until(lambda found: len(found) > 180, "both to be at work")
    first.signal(signal.SIGSTOP)
    wait_until(lambda: len(encoders_share([second], offers)[0]) == 4, "the second to read everything")
    first.signal(signal.SIGCONT)
    sent += pipeline.send(*some_offers("d", 100))
    pipeline.wait_for(sent)
    wait_until(shared, "both to be at work again")
    assert [first.stop(), second.stop()] == [0, 0]
    pipeline.assert_each_ended_once(sent)
    assert sorted(record.offset for record in pipeline.features.records) == sorted(
        {record.offset for record in pipeline.features.records}
    )
