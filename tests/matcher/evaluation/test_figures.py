"""Each figure on cases counted by hand, against plain counts, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from matcher.evaluation import figures as fig
from matcher.evaluation.decisions import TopDecisions
from tests.matcher.evaluation.making import tops

# right, wrong, right, no match: two right of three with a match
FOUR = tops([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0], [1, 1, 1, 0])


def test_aucpr_is_stepwise_over_queries_with_a_match() -> None:
    assert fig.aucpr(FOUR).value() == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)


def test_average_precision_is_another_figure() -> None:
    assert fig.average_precision(FOUR).value() == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)


def test_tied_scores_enter_together() -> None:
    assert fig.aucpr(tops([0.5, 0.5], [1, 0])).value() == pytest.approx(0.5 * 0.5)


def test_figures_at_a_threshold() -> None:
    assert fig.accept_precision(FOUR, 0.7).value() == pytest.approx(2 / 3)
    assert fig.accept_coverage(FOUR, 0.7).value() == pytest.approx(3 / 4)
    assert fig.accept_recall(FOUR, 0.7).value() == pytest.approx(2 / 3)
    assert fig.accept_precision(FOUR, 0.95).value() is None
    assert fig.accept_coverage(FOUR, 0.95).value() == 0


def test_recall_at_counts_the_first_places_over_queries_with_a_match() -> None:
    top = TopDecisions(
        **{name: getattr(FOUR, name) for name in TopDecisions.__struct_fields__ if name != "place"},
        place=np.array([0, 2, 0, -1]),
    )
    assert fig.recall_at(top, 1).value() == pytest.approx(2 / 3)
    assert fig.recall_at(top, 3).value() == 1


def test_points_of_the_curve() -> None:
    assert fig.precision_at_recall(FOUR, 1 / 3).value() == 1
    assert fig.precision_at_recall(FOUR, 0.5).value() == pytest.approx(2 / 3)
    assert fig.precision_at_recall(FOUR, 0.9).value() == 0
    assert fig.recall_at_precision(FOUR, 0.6).value() == pytest.approx(2 / 3)
    assert fig.recall_at_precision(FOUR, 1).value() == pytest.approx(1 / 3)


def test_a_query_without_any_candidate_is_never_accepted() -> None:
    top = tops([0.9, -np.inf], [1, 0])
    assert fig.accept_coverage(top, -np.inf).value() == 0.5
    assert fig.aucpr(top).value() == 0.5


def test_no_query_with_a_match_gives_none() -> None:
    assert fig.aucpr(tops([0.5], [0], [0])).value() is None
    assert fig.recall_at(tops([0.5], [0], [0]), 1).value() is None


def test_b_cubed_of_the_products_that_matches_make() -> None:
    # Offers a a b b; the matches 0-1 (right) and 2-1 (wrong) make one product of three offers, 3 stays alone.
    top = TopDecisions(
        query=np.arange(4),
        candidate=np.array([1, 0, 1, 2]),
        score=np.array([0.9, 0.9, 0.8, 0.1]),
        confidence=np.array([0.9, 0.9, 0.8, 0.1]),
        right=np.array([True, True, False, True]),
        has_match=np.ones(4, bool),
        place=np.array([0, 0, 1, 0]),
    )
    precision, recall = fig.b_cubed_figures(top, 0.5, np.array([0, 0, 1, 1]))
    assert precision.value() == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1) / 4)
    assert recall.value() == pytest.approx((1 + 1 + 1 / 2 + 1 / 2) / 4)


def test_figures_of_other_queries_have_no_difference() -> None:
    with pytest.raises(ValueError, match="same queries"):
        fig.difference(fig.aucpr(FOUR), fig.aucpr(tops([1], [1])))


decided = st.lists(
    st.tuples(st.integers(0, 6), st.booleans(), st.booleans(), st.integers(0, 3)), min_size=1, max_size=25
)


def _plain_area(rows: list[tuple[int, bool, bool, int]]) -> float | None:
    """Repeats each query as often as it weighs and walks through the thresholds one by one."""
    queries = [(score, right and matched, matched) for score, right, matched, times in rows for _ in range(times)]
    whole = sum(matched for _, _, matched in queries)
    if not whole:
        return None
    area = last = 0.0
    for threshold in sorted({score for score, _, _ in queries}, reverse=True):
        taken = [right for score, right, _ in queries if score >= threshold]
        recall = sum(taken) / whole
        area += (recall - last) * sum(taken) / len(taken)
        last = recall
    return area


@settings(deadline=None)
@given(decided)
def test_weights_count_a_query_as_often_as_they_say(rows) -> None:
    top = tops([r[0] for r in rows], [r[1] and r[2] for r in rows], [r[2] for r in rows])
    weights = np.array([[r[3] for r in rows]], float)
    found = fig.number(fig.aucpr(top).weigh(weights)[0])
    assert found == (None if _plain_area(rows) is None else pytest.approx(_plain_area(rows)))


@settings(deadline=None)
@given(decided)
def test_average_precision_is_that_of_scikit_learn(rows) -> None:
    top = tops([r[0] for r in rows], [r[1] and r[2] for r in rows], [r[2] for r in rows])
    found = fig.average_precision(top).value()
    if not top.right.any():
        assert found is None
    else:
        assert found == pytest.approx(average_precision_score(top.right, top.score))
        area, recall = fig.aucpr(top).value(), fig.recall_at(top, 1).value()
        assert area == pytest.approx(found * recall)
        assert area <= recall + 1e-12


@settings(deadline=None)
@given(decided, st.sampled_from([0.1, 0.3, 0.5, 0.9, 1.0]))
def test_points_agree_with_a_walk_along_the_curve(rows, at) -> None:
    top = tops([r[0] for r in rows], [r[1] and r[2] for r in rows], [r[2] for r in rows])
    whole = int(top.has_match.sum())
    if not whole:
        return
    walk = []
    for threshold in sorted(set(top.score.tolist()), reverse=True):
        taken = top.score >= threshold
        walk.append(((top.right & taken).sum() / taken.sum(), (top.right & taken).sum() / whole))
    reached = [precision for precision, recall in walk if recall >= at - 1e-12]
    assert fig.precision_at_recall(top, at).value() == pytest.approx(reached[0] if reached else 0)
    good = [recall for precision, recall in walk if precision >= at - 1e-12]
    assert fig.recall_at_precision(top, at).value() == pytest.approx(max(good, default=0))
    drawn = fig.curve(top)
    assert drawn.precision == pytest.approx([precision for precision, _ in walk])
    assert drawn.recall == pytest.approx([recall for _, recall in walk])
