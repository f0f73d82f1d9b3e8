"""Looking into the state of a stopped matcher, and making its index anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from consumers.matching.inspection import (
    Blocks,
    NoCellsError,
    NoStateError,
    inspect_partitions,
    rebuild_partitions,
    verify_partitions,
)
from index_store.cells.report import CellReport
from index_store.rows import Changes, DecisionRow, FeatureRow, Identity, Version
from index_store.state import State
from index_store.weaviate.report import ClusterReport
from matcher.brands import READING
from matcher.model import Bundle
from matcher.model.bundle import load_bundle, save_bundle
from matcher.settings import Matcher, Settings
from matcher.weaviate_settings import Weaviate, weaviate_settings

OFFERS = 9000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(matcher=Matcher(bundle="untrained-dummy", state_folder=str(tmp_path), group="g"))
    bundle = load_bundle("untrained-dummy")
    topics = (settings.topics.prefix + bundle.features_topic, settings.topics.matches)
    vectors = np.random.default_rng(0).standard_normal((OFFERS, bundle.dim))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    path = tmp_path / "g" / bundle.fingerprint / "partition-0.sqlite"
    with State(path, Identity(bundle.fingerprint, bundle.dim, 0, topics, settings.topics.universes)) as state:
        state.apply(
            Changes(
                [FeatureRow(f"o{n}", Version(0, n), "s", b"{}", vectors[n]) for n in range(OFFERS)],
                [DecisionRow(f"o{n}", Version(0, n), f"p{n}", "offer.new_product", 0) for n in range(OFFERS)],
            )
        )
    return settings


@pytest.mark.slow
def test_cells_are_made_once_and_used_again_until_they_are_rebuilt(settings: Settings) -> None:
    (first,) = inspect_partitions(settings, probes=20)
    assert (first.partition, first.state.live, first.index.entries, first.assigned) == (0, OFFERS, OFFERS, OFFERS)
    assert not first.index.exact
    assert first.blocks is None
    (second,) = inspect_partitions(settings, probes=20)
    assert second.assigned == 0
    assert second.index.cells == first.index.cells
    assert second.probe == first.probe
    (rebuilt,) = rebuild_partitions(settings, probes=20)
    assert rebuilt.assigned == OFFERS
    assert verify_partitions(settings).ok


def a_state_of(bundle: Bundle, settings: Settings, brands: Sequence[str | None]) -> Path:
    """One live offer of each of these brands, and the name of one more."""
    topics = (settings.topics.prefix + bundle.features_topic, settings.topics.matches)
    path = Path(settings.matcher.state_folder) / "g" / bundle.fingerprint / "partition-0.sqlite"
    identity = Identity(bundle.fingerprint, bundle.dim, 0, topics, settings.topics.universes, blocks=READING)
    with State(path, identity) as state:
        vector = np.zeros(bundle.dim, np.float32)
        rows = [FeatureRow(f"o{n}", Version(0, n), None, b"{}", vector, block=brand) for n, brand in enumerate(brands)]
        decisions = [DecisionRow(f"o{n}", Version(0, n), f"p{n}", "offer.new_product", 0) for n in range(len(brands))]
        state.apply(Changes(rows, decisions, blocks=["asics"]))
    return path


def test_blocks_are_counted_where_the_bundle_has_them_and_checked_against_the_index(tmp_path: Path) -> None:
    bundle = load_bundle("untrained-dummy")
    blocked = save_bundle(replace(bundle, search=replace(bundle.search, brand_blocks=True)), tmp_path / "bundle")
    settings = Settings(matcher=Matcher(bundle=str(tmp_path / "bundle"), state_folder=str(tmp_path), group="g"))
    a_state_of(blocked, settings, ["nike", "nike", "puma", None])
    (found,) = inspect_partitions(settings, probes=1)
    assert found.blocks == Blocks(known=3, used=2, largest="nike", largest_offers=2, brandless=0.25)
    assert isinstance(found.index, CellReport)
    assert (found.index.blocks, found.index.largest_block, found.index.brandless) == (2, 2, 1)
    assert verify_partitions(settings).ok


@pytest.mark.weaviate
@pytest.mark.slow
def test_of_an_index_in_a_cluster_it_shows_what_the_cluster_tells(
    tmp_path: Path, weaviate_one: str, collection_name: str
) -> None:
    bundle = load_bundle("untrained-dummy")
    blocked = save_bundle(
        replace(bundle, search=replace(bundle.search, brand_blocks=True), note=collection_name), tmp_path / "bundle"
    )
    settings = Settings(
        matcher=Matcher(bundle=str(tmp_path / "bundle"), state_folder=str(tmp_path), group="g"),
        weaviate=Weaviate(url=weaviate_one, compression="none"),
    )
    path = a_state_of(blocked, settings, ["nike", "nike", "puma", None])
    (found,) = inspect_partitions(settings, probes=1)
    assert isinstance(found.index, ClusterReport)
    assert (found.state.live, found.index.entries, found.index.objects, found.assigned) == (4, 4, 4, 4)
    assert (found.index.strays, found.index.thin, found.index.away) == (0, 0, ())
    (shard,) = found.index.shards
    assert (shard.status, shard.compressed, bool(shard.node and shard.shard)) == ("READY", False, True)
    assert found.blocks == Blocks(known=3, used=2, largest="nike", largest_offers=2, brandless=0.25)
    assert found.probe is None
    assert "recall" in (found.left_out or "")
    assert verify_partitions(settings).ok
    (again,) = inspect_partitions(settings, probes=1)
    assert again.assigned == 0
    with pytest.raises(NoCellsError, match="a cluster makes and keeps its graph by itself"):
        rebuild_partitions(settings, probes=1)

    from index_store.weaviate.store import WeaviateStore

    chosen = weaviate_settings(settings.weaviate)
    assert chosen is not None
    name = found.index.collection.rpartition("_")[0]
    WeaviateStore(bundle.dim, chosen, path.with_suffix(".weaviate"), name).discard()


def test_where_there_is_no_state_it_says_so(settings: Settings) -> None:
    elsewhere = replace(settings, matcher=replace(settings.matcher, group="other"))
    with pytest.raises(NoStateError, match="no matcher of this group and bundle"):
        inspect_partitions(elsewhere, probes=1)
