"""Pytest plugin: a real Weaviate for the tests marked `weaviate`, one node and a cluster of three.

`WEAVIATE_URL` names one that is there and stands for the single node; whatever is not named is started, once for the
whole run, in a temporary folder, and ends with it.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker.weaviate.binary import available
from broker.weaviate.cluster import WeaviateCluster
from index_store.weaviate.settings import WeaviateSettings

MakeSettings = Callable[..., WeaviateSettings]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "weaviate: needs a real Weaviate (built by `make weaviate-server`, or WEAVIATE_URL)"
    )


@pytest.fixture(scope="session")
def weaviate_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a single node."""
    if existing := os.environ.get("WEAVIATE_URL"):
        yield existing
        return
    with WeaviateCluster(tmp_path_factory.mktemp("weaviate-one"), 1, the_server()) as cluster:
        cluster.start()
        yield cluster.url


@pytest.fixture(scope="session")
def weaviate_three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeaviateCluster]:
    """Three nodes on loopback. Whoever stops one starts it again."""
    with WeaviateCluster(tmp_path_factory.mktemp("weaviate-three"), 3, the_server()) as cluster:
        cluster.start()
        yield cluster


@pytest.fixture
def collection_name() -> str:
    """A name that no other test and no earlier run uses."""
    return f"Test{uuid.uuid4().hex[:12]}"


def the_server() -> Path:
    """The program; skips the test where there is none."""
    server = available()
    if server is None:
        pytest.skip("no Weaviate server here: `make weaviate-server` builds one with Go, WEAVIATE_URL names one")
    return server
