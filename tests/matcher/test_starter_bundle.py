"""The bundle that is used by default: what it is for, what it promises, and whose data it learned from."""

from pathlib import Path

import pytest

from matcher.encoders import EncoderSpec, load_encoder
from matcher.model import Bundle, load_bundle
from matcher.model.bundle import find_bundle, fingerprint_of
from matcher.model.promise import Promise
from matcher.settings import Settings
from matcher.training.thresholds import Aim, holds, precision_low

FOLDER = find_bundle("starter")


@pytest.fixture(scope="module")
def starter() -> Bundle:
    return load_bundle("starter")


@pytest.fixture(scope="module")
def promise(starter: Bundle) -> Promise:
    assert starter.promise is not None
    return starter.promise


def test_it_is_what_a_matcher_uses_when_nothing_else_is_said(starter: Bundle) -> None:
    assert Settings().matcher.bundle == starter.name == "starter"
    assert Settings().encoder.model == starter.encoder.model == "starter"


def test_it_is_complete_and_unchanged(starter: Bundle) -> None:
    assert starter.trained
    assert starter.fingerprint == fingerprint_of(starter) == "82b3fc2190e57a4e"
    assert not starter.search.brand_blocks
    assert starter.network is not None
    assert starter.pair_verifier is not None


@pytest.mark.slow
def test_it_is_for_the_starter_encoder_as_it_is_now(starter: Bundle) -> None:
    encoder = load_encoder(EncoderSpec(name="starter", device="cpu", precision="fp32"))
    assert starter.encoder.fingerprint == encoder.fingerprint


def test_it_states_what_its_threshold_was_tested_on(starter: Bundle, promise: Promise) -> None:
    assert starter.thresholds.accept == promise.accept
    assert promise.match_rate == starter.match_rate
    assert promise.accepted <= promise.units
    assert promise.index_size > 0
    assert str(promise.target) in starter.note


def test_what_it_accepts_was_certified_by_the_test_that_it_names(promise: Promise) -> None:
    assert promise.accept is not None
    aim = Aim(target=promise.target, confidence=promise.confidence, match_rate=promise.match_rate)
    assert holds(promise.accepted, promise.errors, aim)
    assert promise.precision_low == precision_low(promise.accepted, promise.errors, promise.confidence)
    assert promise.precision_low >= promise.target


def test_nothing_was_learned_from_what_calibrates_and_tests(starter: Bundle) -> None:
    assert starter.training is not None
    digests = {use: {table.digest for table in starter.training.tables if table.use == use}
               for use in ("learning", "calibration")}  # fmt: skip
    assert len(digests["learning"]) == 2
    assert len(digests["calibration"]) == 1
    assert not digests["learning"] & digests["calibration"]


def test_whose_data_it_learned_from_stands_beside_it() -> None:
    notice = (FOLDER / "NOTICE.txt").read_text()
    licence = (FOLDER / "LICENSE-WDC-Products.txt").read_text()
    named = "Web-based Systems Group @ University of\n  Mannheim"
    assert "WDC Products" in notice
    assert named in notice
    assert "LICENSE-WDC-Products.txt" in notice
    assert "Copyright (c) 2023, Web-based Systems Group @ University of Mannheim" in licence
    assert "Redistributions in binary form must reproduce the above copyright" in licence


def test_it_is_small_enough_to_live_in_the_repository() -> None:
    assert sum(file.stat().st_size for file in Path(FOLDER).iterdir()) < 3_000_000
