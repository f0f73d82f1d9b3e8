"""Settings of a Weaviate store on a server of its own, which asks for a key, stands behind TLS, and is restarted."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broker.weaviate.cluster import WeaviateCluster
from index_store.flat import FlatStore
from index_store.store import NO_BLOCK
from index_store.weaviate.errors import WeaviateAway, WeaviateMismatch
from index_store.weaviate.settings import WeaviateSettings
from index_store.weaviate.store import WeaviateStore
from matcher.settings import load_settings
from matcher.weaviate_settings import weaviate_settings
from tests.index_store.test_index_stores import assert_same, unit_vectors
from tests.secure_kafka import Authority
from tests.tls_proxy import tls_proxy
from tests.weaviate import the_server

pytestmark = [pytest.mark.weaviate, pytest.mark.slow]

DIM = 64
ROWS = (
    np.arange(400),
    unit_vectors(21, 400, DIM),
    (np.arange(400) % 7).astype(np.int32),
    np.full(400, NO_BLOCK, np.int32),
)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeaviateCluster]:
    """One node that lets nobody in without the key."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
            "AUTHENTICATION_APIKEY_ENABLED": "true",
            "AUTHENTICATION_APIKEY_ALLOWED_KEYS": "the-key",
            "AUTHENTICATION_APIKEY_USERS": "matcher",
        }.items():
            patch.setenv(name, value)
        with WeaviateCluster(tmp_path_factory.mktemp("guarded"), 1, the_server()) as cluster:
            cluster.start()
            yield cluster


def settings_of(**environ: str) -> WeaviateSettings:
    """As a matcher makes them from its environment."""
    named = {f"OFFERMATCH_WEAVIATE_{name}".upper(): value for name, value in environ.items()}
    settings = weaviate_settings(load_settings(environ=named).weaviate)
    assert settings is not None
    return settings


def assert_works(settings: WeaviateSettings, folder: Path | None = None) -> WeaviateStore:
    """Entries can be written, found, replaced and removed; the store is left open."""
    store, truth = WeaviateStore(DIM, settings, folder), FlatStore(DIM)
    for target in (store, truth):
        target.upsert(*ROWS)
        target.remove(np.arange(50))
        target.upsert(np.arange(60, 90), ROWS[1][:30], ROWS[2][:30])
    assert_same(store.search(ROWS[1][:40], 5), truth.search(ROWS[1][:40], 5))
    assert store.audit() == ()
    return store


def test_a_key_from_the_environment_or_a_file_lets_the_store_in(guarded: WeaviateCluster, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("the-key\n")
    for given in ({"api_key": "the-key"}, {"api_key_file": str(tmp_path / "key")}):
        assert_works(settings_of(url=guarded.url, **given)).close()


@pytest.mark.parametrize("given", [{}, {"api_key": "another"}])
def test_without_the_key_it_ends_at_once_and_says_why(guarded: WeaviateCluster, given: dict[str, str]) -> None:
    with pytest.raises(WeaviateMismatch, match=r"refuses to make collection .*401"):
        WeaviateStore(DIM, settings_of(url=guarded.url, **given))


def test_behind_tls_the_certificate_is_checked_and_the_key_is_asked_for(
    guarded: WeaviateCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, strange = Authority("ours"), Authority("strange")
    ours.issue("proxy", tmp_path / "proxy.pem", chained=True)
    (tmp_path / "ours.pem").write_bytes(ours.pem)
    (tmp_path / "strange.pem").write_bytes(strange.pem)
    ports = guarded.node(1).ports
    with tls_proxy(tmp_path / "proxy.pem", ports.http, ports.grpc) as (http, grpc):
        settings = settings_of(url=f"https://127.0.0.1:{http}?grpc_port={grpc}", api_key="the-key")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ours.pem"))
        assert_works(settings).close()
        for trusted in ("strange.pem", None):
            if trusted is None:
                monkeypatch.delenv("SSL_CERT_FILE")
            else:
                monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / trusted))
            with pytest.raises(WeaviateAway):
                WeaviateStore(DIM, replace(settings, deadline=0.1))


@pytest.mark.parametrize(
    "given",
    [
        {"shards": "3", "compression": "sq"},
        {"compression": "none", "consistency": "quorum"},
        {"shards": "1", "searches": "2"},
    ],
)
def test_the_collection_is_made_as_the_settings_say(guarded: WeaviateCluster, given: dict[str, str]) -> None:
    store = assert_works(settings_of(url=guarded.url, api_key="the-key", **given))
    config: Any = store._link.ask("look", lambda client: client.collections.get(store.collection).config.get())
    assert config.sharding_config.desired_count == int(given.get("shards", "1"))
    quantizer = config.vector_config["default"].vector_index_config.quantizer
    wanted = {"sq": "_SQConfig", "none": "NoneType", "rq": "_RQConfig"}[given.get("compression", "rq")]
    assert type(quantizer).__name__ == wanted
    store.close()


@pytest.mark.parametrize(
    ("change", "text"),
    [({"shards": 3}, "shards 2, not 3"), ({"compression": "rq"}, "compression sq, not rq"), ({"shards": 0}, None)],
)
def test_a_collection_keeps_what_it_was_made_with(
    guarded: WeaviateCluster, tmp_path: Path, change: dict[str, Any], text: str | None
) -> None:
    settings = settings_of(url=guarded.url, api_key="the-key", shards="2", compression="sq")
    WeaviateStore(DIM, settings, tmp_path).close()
    if text is None:
        WeaviateStore(DIM, replace(settings, **change), tmp_path).discard()
        return
    with pytest.raises(WeaviateMismatch, match=text):
        WeaviateStore(DIM, replace(settings, **change), tmp_path)
    WeaviateStore(DIM, settings, tmp_path).discard()


def test_more_replicas_than_nodes_are_refused(guarded: WeaviateCluster) -> None:
    with pytest.raises(WeaviateMismatch, match="replica"):
        WeaviateStore(DIM, settings_of(url=guarded.url, api_key="the-key", replicas="3"))


def test_a_server_that_was_killed_and_started_again_has_everything(guarded: WeaviateCluster, tmp_path: Path) -> None:
    settings = settings_of(url=guarded.url, api_key="the-key")
    store = assert_works(settings, tmp_path)
    before = store.search(ROWS[1], 5)
    guarded.node(1).kill()
    guarded.start_node(1)
    assert_same(store.search(ROWS[1], 5), before)
    store.close()
    again = WeaviateStore(DIM, settings, tmp_path)
    assert again.audit() == ()
    assert_same(again.search(ROWS[1], 5), before)
    again.discard()
