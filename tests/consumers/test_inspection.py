"""Looking into the state of a stopped matcher, and making its index anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from consumers.matching.inspection import (
    Blocks,
    NoStateError,
    inspect_partitions,
    rebuild_partitions,
    verify_partitions,
)
from index_store.rows import Changes, DecisionRow, FeatureRow, Identity, Version
from index_store.state import State
from matcher.brands import READING
from matcher.model.bundle import load_bundle, save_bundle
from matcher.settings import Matcher, Settings

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


def test_blocks_are_counted_where_the_bundle_has_them_and_checked_against_the_index(tmp_path: Path) -> None:
    bundle = load_bundle("untrained-dummy")
    blocked = save_bundle(replace(bundle, search=replace(bundle.search, brand_blocks=True)), tmp_path / "bundle")
    settings = Settings(matcher=Matcher(bundle=str(tmp_path / "bundle"), state_folder=str(tmp_path), group="g"))
    topics = (settings.topics.prefix + bundle.features_topic, settings.topics.matches)
    path = tmp_path / "g" / blocked.fingerprint / "partition-0.sqlite"
    identity = Identity(blocked.fingerprint, bundle.dim, 0, topics, settings.topics.universes, blocks=READING)
    brands = ["nike", "nike", "puma", None]
    with State(path, identity) as state:
        vector = np.zeros(bundle.dim, np.float32)
        rows = [FeatureRow(f"o{n}", Version(0, n), None, b"{}", vector, block=brand) for n, brand in enumerate(brands)]
        decisions = [DecisionRow(f"o{n}", Version(0, n), f"p{n}", "offer.new_product", 0) for n in range(4)]
        state.apply(Changes(rows, decisions, blocks=["asics"]))
    (found,) = inspect_partitions(settings, probes=1)
    assert found.blocks == Blocks(known=3, used=2, largest="nike", largest_offers=2, brandless=0.25)
    assert (found.index.blocks, found.index.largest_block, found.index.brandless) == (2, 2, 1)
    assert verify_partitions(settings).ok


def test_where_there_is_no_state_it_says_so(settings: Settings) -> None:
    elsewhere = replace(settings, matcher=replace(settings.matcher, group="other"))
    with pytest.raises(NoStateError, match="no matcher of this group and bundle"):
        inspect_partitions(elsewhere, probes=1)
