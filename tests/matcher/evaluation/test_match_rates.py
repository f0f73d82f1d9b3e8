"""Other shares of queries with a match: the mixture is what many draws come to."""

import numpy as np
import pytest

from matcher.evaluation.decisions import ask
from matcher.evaluation.figures import accept_coverage, accept_precision, aucpr
from matcher.evaluation.intervals import estimate
from matcher.evaluation.match_rates import draw, mixture
from matcher.evaluation.visibility import Visibility
from tests.matcher.evaluation.making import a_dataset, near_products

PRODUCTS, VECTORS = near_products(80, 3, spread=0.45, seed=2)
ANSWERS = ask(a_dataset(PRODUCTS), VECTORS, Visibility(), k=5)
ONES = np.ones((1, len(ANSWERS.top)))


@pytest.mark.parametrize("rate", [1.0, 0.5, 0.1, 0.01])
def test_the_weights_make_the_rate(rate) -> None:
    mixed = mixture(ANSWERS, rate)
    weights = mixed.weights(ONES)[0]
    assert weights.sum() == pytest.approx(1)
    assert weights[mixed.top.has_match].sum() == pytest.approx(rate)


@pytest.mark.parametrize("rate", [0.5, 0.1])
def test_the_mixture_is_the_mean_of_many_draws(rate) -> None:
    mixed = mixture(ANSWERS, rate)
    figures = mixed.over_queries(
        {"precision": accept_precision(mixed.top, 0.8), "coverage": accept_coverage(mixed.top, 0.8)}
    )
    generator = np.random.default_rng(1)
    accepted = right = total = 0
    for _ in range(400):
        top = draw(ANSWERS, rate, generator)
        taken = top.confidence >= 0.8
        accepted, right, total = accepted + taken.sum(), right + (taken & top.right).sum(), total + len(top)
    assert figures["precision"].value() == pytest.approx(right / accepted, abs=0.01)
    assert figures["coverage"].value() == pytest.approx(accepted / total, abs=0.01)


def test_a_draw_keeps_the_rate_and_takes_a_query_once() -> None:
    top = draw(ANSWERS, 0.1, np.random.default_rng(0))
    assert len(top) == len(ANSWERS.top)
    assert top.has_match.mean() == pytest.approx(0.1)
    assert len(set(top.query.tolist())) == len(top)


def test_a_draw_leaves_queries_out_where_too_few_have_a_match() -> None:
    answers = ask(a_dataset(["a", "a", "b", "c", "d", "e"]), VECTORS[:6], Visibility(), k=3)
    top = draw(answers, 0.5, np.random.default_rng(0))
    assert (len(top), int(top.has_match.sum())) == (4, 2)
    assert draw(answers, 1.0, np.random.default_rng(0)).has_match.tolist() == [True, True]


def test_rejection_makes_precision_harder() -> None:
    areas = []
    for rate in (1.0, 0.5, 0.1, 0.01):
        mixed = mixture(ANSWERS, rate)
        areas.append(mixed.over_queries({"aucpr": aucpr(mixed.top)})["aucpr"].value())
    assert areas == sorted(areas, reverse=True)
    assert areas[0] == pytest.approx(aucpr(ANSWERS.top).value())


def test_a_mixture_has_intervals_over_the_queries_asked() -> None:
    mixed = mixture(ANSWERS, 0.1)
    figure = mixed.over_queries({"p": accept_precision(mixed.top, 0.8)})["p"]
    found = estimate(figure, np.arange(len(ANSWERS.top)) // 3, draws=200)
    assert found.low < found.value < found.high


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1])
def test_a_rate_that_is_none_is_refused(rate) -> None:
    with pytest.raises(ValueError, match="match rate"):
        mixture(ANSWERS, rate)
