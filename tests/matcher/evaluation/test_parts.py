"""Misses, people, pairs, domains and reliability, on cases counted by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score

from matcher.evaluation.decisions import TopDecisions, ask
from matcher.evaluation.domains import OTHERS, by_domain, domains_of
from matcher.evaluation.misses import Miss, count_misses, misses_by_query
from matcher.evaluation.pairs import best_threshold, pair_figures, pooled
from matcher.evaluation.reliability import reliability
from matcher.evaluation.review import Validator, recall_with_review, review_band
from matcher.evaluation.visibility import codes, visibility_of
from matcher.training.dataset import Pairs
from tests.matcher.evaluation.making import a_dataset, directions, tops


def test_a_miss_is_named_by_where_the_match_was_lost() -> None:
    #                     0    1    2    3    4    5    6
    products = ["a", "b", "a", "c", "c", "d", "d"]
    angles = [0, 2, 5, 40, 44, 80, 120]
    dataset = a_dataset(products)
    blocked = {(5, 6), (6, 5)}
    visible = visibility_of(
        dataset,
        exclude_own_seller=False,
        stream=False,
        allowed=lambda q, c: np.array([[(int(a), int(b)) not in blocked for b in c] for a in q]),
    )
    answers = ask(dataset, directions(angles), visible, k=2)
    kinds = misses_by_query(answers, visible, codes(products), threshold=0.9999)
    assert kinds.tolist() == [
        Miss.OUTRANKED,  # 1 is nearer than 2
        Miss.NONE,  # has no match
        Miss.OUTRANKED,
        Miss.BELOW_THRESHOLD,
        Miss.BELOW_THRESHOLD,
        Miss.LOST_TO_BLOCKING,
        Miss.LOST_TO_BLOCKING,
    ]
    counted = count_misses(kinds)
    assert (counted.missed, counted.lost_to_blocking, counted.scored_too_low) == (6, 2, 4)
    alone = ask(dataset, directions(angles), visible, k=1)
    kinds = misses_by_query(alone, visible, codes(products), threshold=-np.inf)
    assert kinds[0] == Miss.NOT_AMONG_CANDIDATES
    assert kinds[3] == Miss.NONE


def _reviewed() -> TopDecisions:
    """Accepted and right; in the band with the right one third; in the band, none right; below the band; no match."""
    return TopDecisions(
        query=np.arange(5),
        candidate=np.arange(5) + 5,
        score=np.array([0.95, 0.7, 0.6, 0.1, 0.65]),
        confidence=np.array([0.95, 0.7, 0.6, 0.1, 0.65]),
        right=np.array([True, False, False, True, False]),
        has_match=np.array([True, True, True, True, False]),
        place=np.array([0, 2, 3, 0, -1]),
    )


def test_people_see_three_candidates_of_what_is_in_the_band() -> None:
    assert recall_with_review(_reviewed(), 0.9, 0.5).value() == pytest.approx(2 / 4)
    band = review_band(_reviewed(), 0.9, 0.5, Validator(likelihood_ratio=10, true_positive_rate=0.8))
    assert band.per_thousand == pytest.approx(600)
    assert band.precision_before == pytest.approx(1 / 3)
    assert band.precision_after == pytest.approx(1 / (1 + 2 / 10))
    assert band.recall_with_validator == pytest.approx((1 + 0.8) / 4)


def test_the_papers_crowd_comes_out_of_the_formula() -> None:
    assert Validator().precision_after(0.285) == pytest.approx(0.937, abs=0.001)
    assert Validator(likelihood_ratio=1).precision_after(0.4) == pytest.approx(0.4)
    assert Validator().precision_after(0) == 0
    assert Validator().precision_after(1) == 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_pair_figures_are_those_of_scikit_learn(rows) -> None:
    score = np.array([r[0] for r in rows], float)
    same = np.array([r[1] for r in rows])
    found = pair_figures(score, same, np.arange(len(rows)), threshold=3.0, draws=5)
    if not same.any():
        assert (found.aucpr, found.best_f1) == (None, None)
        return
    assert found.aucpr == pytest.approx(average_precision_score(same, score))
    assert found.best_f1 == pytest.approx(max(f1_score(same, score >= t) for t in set(score.tolist())))
    assert f1_score(same, score >= best_threshold(score, same)) == pytest.approx(found.best_f1)
    assert found.f1_at_threshold == pytest.approx(f1_score(same, score >= 3.0))


def test_a_pair_of_two_tables_counts_once() -> None:
    one = Pairs(left=np.array([0, 1]), right=np.array([1, 2]), same=np.array([True, False]))
    two = Pairs(left=np.array([1, 3]), right=np.array([0, 2]), same=np.array([True, True]))
    both = pooled([one, two])
    assert list(zip(both.left.tolist(), both.right.tolist(), strict=True)) == [(0, 1), (1, 2), (3, 2)]
    assert both.same.tolist() == [True, False, True]


def test_domains_with_few_queries_are_put_together() -> None:
    currencies = ["EUR"] * 30 + ["USD"] * 25 + ["SEK"] * 3 + [None] * 2
    dataset = a_dataset(["a"] * 60, currencies=currencies)
    top = tops([0.9] * 60, [1] * 30 + [0] * 30)
    found = by_domain(top, domains_of(dataset), np.arange(60), accept=0.5, draws=20)
    assert [(each.kind, each.name, each.queries) for each in found] == [
        ("currency", "EUR", 30),
        ("currency", "USD", 25),
        ("currency", OTHERS, 5),
    ]
    assert [each.accept_precision for each in found] == [1, 0, 0]


def test_one_domain_is_no_breakdown() -> None:
    dataset = a_dataset(["a"] * 60, sellers=["s"] * 60)
    assert by_domain(tops([0.9] * 60, [1] * 60), domains_of(dataset), np.arange(60), accept=None) == ()


def test_reliability_compares_what_was_said_with_what_came() -> None:
    top = tops([0.91, 0.93, 0.95, 0.97, 0.12, 0.18], [1, 1, 1, 0, 0, 0])
    found = reliability(top)
    low, high = found.bins
    assert (low.confidence, low.right, low.count) == (pytest.approx(0.15), 0, 2)
    assert (high.confidence, high.right) == (pytest.approx(0.94), pytest.approx(0.75))
    assert high.low < 0.75 < high.high
    assert found.error == pytest.approx((2 * 0.15 + 4 * 0.19) / 6)
    weighted = reliability(top, np.array([1, 1, 1, 0, 1, 1], float))
    assert weighted.bins[1].right == 1


def test_scores_are_no_probabilities() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        reliability(tops([1.5], [1]))
