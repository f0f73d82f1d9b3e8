"""The matcher's index in a Weaviate: the decisions of the exact index, whoever is killed in mid-stream."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from broker.weaviate.cluster import WeaviateCluster
from consumers.matching.inspection import verify_partitions
from matcher.weaviate_settings import Weaviate
from tests.pipeline.daemons import wait_until
from tests.pipeline.harness import Pipeline, with_prefix
from tests.pipeline.test_restarts import a_market, assert_as_if_nothing_had_happened
from tests.weaviate import the_server

pytestmark = [pytest.mark.kafka, pytest.mark.weaviate, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[WeaviateCluster]:
    """A Weaviate that a test may harm."""
    with WeaviateCluster(tmp_path / "weaviate", 1, the_server()) as cluster:
        cluster.start()
        yield cluster


def test_decisions_are_those_of_the_exact_index_though_matcher_and_weaviate_are_killed(
    make_pipeline, node: WeaviateCluster, tmp_path: Path
):
    pipeline: Pipeline = make_pipeline(
        encoder={"in_flight": 32}, matcher={"batch_size": 16}, weaviate={"url": node.url, "compression": "none"}
    )
    market = a_market(5, 500)
    sent = pipeline.send(*market[:300])
    encoder, matcher = pipeline.encoder(), pipeline.matcher()
    pipeline.matches.until(lambda found: len(found) > 60, "some decisions", pipeline.check)
    matcher.kill()
    matcher = pipeline.matcher()
    pipeline.matches.until(lambda found: len(found) > 120, "more decisions", pipeline.check)

    node.node(1).kill()
    sent += pipeline.send(*market[300:])
    matcher.wait_for_log("waiting for Weaviate to")
    wait_until(lambda: matcher.get("/readyz")[0] == 503, "a matcher that is not ready")
    assert matcher.get("/livez")[0] == 200
    assert matcher.metric("offermatch_index_away") == 1

    node.start_node(1)
    matcher.ready()
    pipeline.wait_for(sent)
    assert matcher.metric("offermatch_index_away") == 0
    assert [encoder.stop(), matcher.stop()] == [0, 0]
    assert verify_partitions(with_prefix(pipeline.settings)).problems == ()
    assert_as_if_nothing_had_happened(pipeline, sent, tmp_path)


def test_a_matcher_moves_from_its_own_memory_to_a_cluster_and_back(
    make_pipeline, weaviate_one: str, tmp_path: Path
) -> None:
    pipeline: Pipeline = make_pipeline()
    cluster = msgspec.structs.replace(
        pipeline.settings, weaviate=Weaviate(url=weaviate_one, compression="none", replicas=1)
    )
    market = a_market(6, 150)
    encoder, matcher, sent = pipeline.encoder(), pipeline.matcher(), []
    for number, successor in enumerate((cluster, pipeline.settings, None)):
        sent += pipeline.send(*market[50 * number : 50 * (number + 1)])
        pipeline.wait_for(sent)
        assert matcher.stop() == 0
        if successor is not None:
            matcher = pipeline.start("matcher", successor)
    assert encoder.stop() == 0
    assert_as_if_nothing_had_happened(pipeline, sent, tmp_path)
    # What is sent to the cluster at the next change is what it missed.
    assert verify_partitions(with_prefix(cluster)).problems == ()
