"""An encoder with a slow photo host: it takes no more than it may hold, stays in its group, and serves the others."""

import dataclasses

import pytest

from tests.pipeline.daemons import wait_until
from tests.pipeline.harness import Pipeline, offer
from tests.pipeline.photo_host import photo_host

pytestmark = pytest.mark.kafka

LIMIT = 8
#: Seconds without a poll after which the group would throw a consumer out; the least that Kafka allows here.
POLL = 6


def test_a_slow_photo_host_holds_up_its_own_partition_alone(make_pipeline):
    pipeline: Pipeline = make_pipeline(
        photos={"timeout": 300.0},
        encoder={"in_flight": LIMIT},
        kafka={"properties": {"max.poll.interval.ms": str(POLL * 1000)}, "session_timeout": float(POLL)},
    )
    encoder = pipeline.encoder().ready()
    pipeline.matcher()
    with photo_host() as host:
        slow = pipeline.send(
            *(
                dataclasses.replace(
                    offer(f"slow-{n}", f"dress {n}", image_urls=[f"{host.url}/gated.jpg?{n}"]), partition=0
                )
                for n in range(3 * LIMIT)
            )
        )
        wait_until(lambda: len(host.asked) > 0, "the first photos to be asked for")
        others = pipeline.send(
            *(dataclasses.replace(offer(f"quick-{n}", f"shirt {n}"), partition=1 + n % 2) for n in range(200))
        )
        pipeline.wait_for(others)

        # The loop turns on for longer than the group would wait for one that hangs.
        def beat() -> float:
            return encoder.metric("offermatch_loop_heartbeat_timestamp_seconds") or 0.0

        since, most = beat(), 0.0

        def turned_on() -> bool:
            nonlocal most
            most = max(most, encoder.metric("offermatch_in_flight_records") or 0.0)
            return beat() > since + POLL + 2

        wait_until(turned_on, "the loop to turn on")
        assert 0 < most <= LIMIT
        assert len(host.asked) <= LIMIT
        encoder.check()
        assert "lost" not in encoder.log
        assert encoder.log.count("assigned") == 1, "the group was never formed anew"
        assert not any(r.key.startswith(b"slow") for r in pipeline.matches.records)
        host.gate.set()
        pipeline.wait_for(slow)
    pipeline.assert_each_ended_once(slow + others)
    assert all(pipeline.features_of(version).image_count == 1 for version in slow)
