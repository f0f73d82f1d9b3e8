"""Intervals hold what they say where the truth is known, and draw groups, not queries."""

import numpy as np
import pytest

from matcher.evaluation import intervals
from matcher.evaluation.figures import accept_precision, aucpr, difference, recall_at, share
from matcher.evaluation.intervals import estimate, estimates, resamples
from tests.matcher.evaluation.making import tops


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(11)
    trials = 300
    covered = 0
    for _ in range(trials):
        # 60 groups whose own success rates are uniform, so the true share is 0.5; 5 queries each.
        rates = generator.uniform(size=60)
        right = generator.random((60, 5)) < rates[:, None]
        figure = share(right.ravel(), np.ones(300, bool))
        found = estimate(figure, np.repeat(np.arange(60), 5), draws=300, seed=int(generator.integers(1 << 30)))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.5 <= found.high
    # 0.95 give or take three standard errors, with the small deficit of percentile intervals.
    assert 0.89 <= covered / trials <= 0.985


def test_queries_of_one_group_are_right_or_wrong_together() -> None:
    right = np.repeat(np.random.default_rng(0).random(40) < 0.5, 10)
    figure = share(right, np.ones(400, bool))
    grouped = estimate(figure, np.repeat(np.arange(40), 10))
    alone = estimate(figure, np.arange(400))
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_draws_depend_on_the_seed_alone() -> None:
    groups = np.arange(30) // 3
    once = np.concatenate(list(resamples(groups, draws=50, seed=3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals, "_CHUNK_WEIGHTS", 64)
        again = np.concatenate(list(resamples(groups, draws=50, seed=3)))
    other = np.concatenate(list(resamples(groups, draws=50, seed=4)))
    assert (once == again).all()
    assert (once != other).any()
    assert (once[:, ::3].sum(axis=1) == 10).all()
    assert (once[:, 0] == once[:, 2]).all()


def test_no_error_seen_is_not_no_error() -> None:
    found = estimate(accept_precision(tops([0.9] * 40, [1] * 40), 0.5), np.arange(40) // 2)
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.025 ** (1 / 20))


def test_nothing_accepted_has_no_precision_and_no_bounds() -> None:
    found = estimate(accept_precision(tops([0.1] * 4, [1] * 4), 0.5), np.arange(4))
    assert (found.value, found.low, found.high) == (None, None, None)


def test_the_same_figure_twice_differs_by_nothing() -> None:
    top = tops([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0])
    found = estimate(difference(aucpr(top), aucpr(top)), np.arange(4))
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_a_paired_difference_is_surer_than_its_two_figures() -> None:
    generator = np.random.default_rng(5)
    score = generator.random(400)
    base = generator.random(400) < 0.6
    # A little better on a few of the same queries.
    better = base | (generator.random(400) < 0.1)
    one, other = recall_at(tops(score, better), 1), recall_at(tops(score, base), 1)
    found = estimates({"gain": difference(one, other), "one": one}, np.arange(400))
    assert found["gain"].low > 0
    assert found["gain"].high - found["gain"].low < found["one"].high - found["one"].low
