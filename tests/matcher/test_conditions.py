"""The matcher says when the stream is no longer the one that the bundle's promise was made for."""

import logging

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.deciding.conditions import LEAST, WINDOW, Conditions, estimated_match_rate
from matcher.metrics import Metrics
from matcher.model import load_bundle
from matcher.model.promise import Promise

PROMISE = Promise(
    target=0.99, confidence=0.95, match_rate=0.5, index_size=1_000, accept=0.9, units=800, accepted=400, errors=0
)
BUNDLE = msgspec.structs.replace(load_bundle("untrained-dummy"), match_rate=0.5, promise=PROMISE)


def stream(rate: float, declared: float, n: int, seed: int = 0) -> list[float]:
    """Probabilities as a calibration for the declared rate gives them, of offers of which `rate` have a match."""
    random = np.random.default_rng(seed)
    matched = random.random(n) < rate
    evidence = np.where(matched, random.normal(2, 1.5, n), random.normal(-2, 1.5, n))
    log_odds = 4 * evidence / 1.5**2 + np.log(declared / (1 - declared))  # of two normals 4 apart
    return (1 / (1 + np.exp(-log_odds))).tolist()


@given(st.floats(0.02, 0.9), st.floats(0.05, 0.9), st.integers(0, 99))
def test_the_match_rate_is_recovered_whatever_the_calibration_was_made_for(rate, declared, seed) -> None:
    assert estimated_match_rate(stream(rate, declared, 4_000, seed), declared) == pytest.approx(rate, abs=0.05)


def test_a_stream_as_declared_is_not_complained_about(caplog) -> None:
    metrics = Metrics()
    watch = Conditions(BUNDLE, metrics)
    with caplog.at_level(logging.INFO):
        for part in np.split(np.array(stream(0.5, 0.5, 2_000)), 20):
            watch.observe(part.tolist(), 1_200)
    assert not caplog.records
    assert metrics.match_rate._value.get() == pytest.approx(0.5, abs=0.05)
    assert kept(metrics) == {"match_rate": 1, "index_size": 1}


def test_fewer_matches_than_declared_are_said_once_and_so_is_their_return(caplog) -> None:
    metrics = Metrics()
    watch = Conditions(BUNDLE, metrics)
    with caplog.at_level(logging.INFO):
        for part in np.split(np.array(stream(0.1, 0.5, 3_000)), 30):
            watch.observe(part.tolist(), 10)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "hold for 0.5" in caplog.text
        assert kept(metrics)["match_rate"] == 0
        watch.observe(stream(0.6, 0.5, WINDOW), 10)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert kept(metrics)["match_rate"] == 1


def test_a_larger_index_than_tested_is_said(caplog) -> None:
    metrics = Metrics()
    Conditions(BUNDLE, metrics).observe([0.5], 1_501)
    assert "1,501 offers are known, the bundle's thresholds were tested among 1,000" in caplog.text
    assert kept(metrics) == {"index_size": 0}


def test_nothing_is_said_before_enough_was_seen(caplog) -> None:
    Conditions(BUNDLE, Metrics()).observe([0.0] * (LEAST - 1), 10)
    assert not caplog.records


def test_an_offer_without_any_candidate_counts_as_one_without_a_match() -> None:
    metrics = Metrics()
    Conditions(BUNDLE, metrics).observe([None] * LEAST, 10)
    assert metrics.match_rate._value.get() == pytest.approx(0, abs=0.01)


def kept(metrics: Metrics) -> dict[str, float]:
    return {
        sample.labels["condition"]: sample.value
        for metric in metrics.conditions_kept.collect()
        for sample in metric.samples
    }
