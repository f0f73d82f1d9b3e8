"""Probabilities of top-1 decisions: monotone, honest, at the declared match rate, refused where nothing is known."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from matcher.evaluation.decisions import ask
from matcher.evaluation.visibility import Visibility
from matcher.model.calibration import Logistic, Piecewise, probabilities
from matcher.training.calibration import (
    by_hiding,
    fit_calibration,
    fit_logistic,
    fit_piecewise,
    joined,
)
from matcher.training.labelled import Unlearnable
from tests.examples import examples
from tests.matcher.evaluation.making import a_dataset, near_products, tops
from tests.matcher.training.streams import answers, logistic_sample, sample

FITS = [fit_logistic, fit_piecewise, lambda decisions: fit_calibration(decisions).calibration]


def stepped_sample(n, seed, shares=(0.05, 0.1, 0.85, 0.9)):
    """Right with a probability that steps up in the middle of the scores: no logistic describes it."""
    random = np.random.default_rng(seed)
    score = random.uniform(0, len(shares), n)
    return sample(score, random.random(n) < np.array(shares)[score.astype(int)])


# Which decisions, at what weight.


@pytest.mark.parametrize("rate", [1.0, 0.5, 0.1, 0.01])
def test_hiding_partners_gives_the_declared_rate_from_queries_that_all_have_a_match(rate) -> None:
    products, vectors = near_products(60, 3, spread=0.45, seed=2)
    found = ask(a_dataset(products), vectors, Visibility(), k=5)
    groups = np.arange(len(found.top)) // 6
    decisions = by_hiding(found, groups, rate)
    n = len(found.top)
    assert len(decisions) == 2 * n
    assert decisions.weight[:n].sum() == pytest.approx(rate)
    assert decisions.weight[n:].sum() == pytest.approx(1 - rate)
    assert not decisions.right[n:].any()
    assert decisions.right[:n].tolist() == found.top.right.tolist()
    assert decisions.score[n:].tolist() == found.hidden.score.tolist()
    # A query and its hidden self stay in one group.
    assert decisions.group.tolist() == [*groups, *groups]


def test_queries_without_a_match_are_only_taken_as_hidden_ones() -> None:
    top = tops([0.9, 0.8, 0.3], [1, 0, 0], [1, 1, 0])
    decisions = by_hiding(answers(top, tops([0.5, 0.4, 0.3], [0, 0, 0], [0, 0, 0])), np.array([7, 8, 9]), 0.5)
    assert decisions.score.tolist() == [0.9, 0.8, 0.5, 0.4, 0.3]
    assert decisions.weight == pytest.approx([1 / 4, 1 / 4, 1 / 6, 1 / 6, 1 / 6])
    assert decisions.group.tolist() == [7, 8, 7, 8, 9]


def test_queries_without_a_candidate_calibrate_nothing() -> None:
    top = tops([0.9, -np.inf], [1, 0])
    decisions = by_hiding(answers(top, tops([-np.inf, 0.2], [0, 0], [0, 0])), np.array([0, 1]), 0.5)
    assert decisions.score.tolist() == [0.9, 0.2]
    assert np.isfinite(decisions.score).all()


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1])
def test_a_rate_that_is_none_is_refused(rate) -> None:
    with pytest.raises(ValueError, match="match rate above 0"):
        by_hiding(answers(tops([0.9, 0.8], [1, 0], [1, 0])), np.arange(2), rate)


def test_groups_of_other_queries_are_refused() -> None:
    top = tops([0.9, 0.8], [1, 0], [1, 0])
    with pytest.raises(ValueError, match="a sibling group for each of the 2 queries, got 3"):
        by_hiding(answers(top), np.arange(3), 0.5)


def test_joined_samples_count_by_their_decisions_and_keep_their_groups_apart() -> None:
    one = sample([0.1, 0.2], [0, 1], weight=[0.25, 0.75], group=[0, 3])
    other = sample([0.3, 0.4, 0.5], [0, 1, 1], weight=[10, 10, 20], group=[0, 0, 1])
    both = joined([one, other])
    assert both.score.tolist() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert both.right.tolist() == [False, True, False, True, True]
    assert both.weight == pytest.approx([0.5, 1.5, 0.75, 0.75, 1.5])
    assert both.group.tolist() == [0, 3, 4, 4, 5]
    with pytest.raises(ValueError, match="at least one sample"):
        joined([])


# From scores to probabilities.


@settings(max_examples=examples(40), deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 300), ties=st.booleans(), fit=st.sampled_from(FITS[:2]))
@example(seed=571, n=90, ties=True, fit=fit_piecewise)  # A score less than 1e-16 before a knot.
def test_a_higher_score_is_never_less_probable(seed, n, ties, fit) -> None:
    random = np.random.default_rng(seed)
    score = random.normal(size=n).round(1 if ties else 12)
    right = random.random(n) < 1 / (1 + np.exp(-2 * score))
    try:
        calibration = fit(sample(score, right, weight=random.random(n) + 0.01))
    except Unlearnable:
        return
    asked = np.sort(np.concatenate([score, [-1e6, 1e6], random.normal(size=50)]))
    probability = probabilities(asked, calibration)
    assert (np.diff(probability) >= 0).all()
    assert ((probability >= 0) & (probability <= 1)).all()


@settings(max_examples=examples(15), deadline=None)
@given(slope=st.floats(0.5, 3), intercept=st.floats(-2, 2), seed=st.integers(0, 2**32 - 1))
def test_a_true_logistic_is_recovered(slope, intercept, seed) -> None:
    found = fit_logistic(logistic_sample(slope, intercept, 20_000, seed))
    # Six standard errors and more at the flattest and steepest.
    assert found.slope == pytest.approx(slope, abs=0.35 if slope > 1.5 else 0.15)
    assert found.intercept == pytest.approx(intercept, abs=0.4)


def test_a_logistic_is_recovered_from_scores_that_lie_close_together() -> None:
    found = fit_logistic(logistic_sample(200, -185, 20_000, 4, low=0.9, high=0.95))
    assert found.slope == pytest.approx(200, rel=0.05)
    assert found.intercept / found.slope == pytest.approx(-0.925, abs=0.001)


def test_a_weight_of_two_is_worth_two_decisions() -> None:
    once = logistic_sample(1.0, 0.0, 400, 1)
    chosen = once.score > 0
    repeat = np.where(chosen, 2, 1)
    twice = sample(np.repeat(once.score, repeat), np.repeat(once.right, repeat))
    weighed = fit_logistic(sample(once.score, once.right, weight=repeat * 0.001))
    assert (weighed.slope, weighed.intercept) == pytest.approx(
        (fit_logistic(twice).slope, fit_logistic(twice).intercept), rel=1e-2
    )


def test_steps_are_described_by_pieces() -> None:
    table = fit_piecewise(stepped_sample(8_000, 1))
    assert probabilities([0.5, 1.5, 2.5, 3.5], table) == pytest.approx([0.05, 0.1, 0.85, 0.9], abs=0.035)


def test_no_probability_of_a_table_is_certain() -> None:
    score = np.linspace(0, 1, 400)
    table = fit_piecewise(sample(score, score > 0.5))
    assert 0 < table.probabilities[0] < 0.1
    assert 0.9 < table.probabilities[-1] < 1


def test_the_order_of_decisions_with_equal_scores_says_nothing() -> None:
    score = np.repeat([0.1, 0.5, 0.9], [300, 400, 300])
    right = np.concatenate([np.zeros(300), np.arange(400) < 200, np.ones(300)])
    there = fit_piecewise(sample(score, right))
    back = fit_piecewise(sample(score[::-1], right[::-1]))
    assert there.scores == pytest.approx((0.1, 0.5, 0.9))
    assert there.probabilities == pytest.approx((0, 0.5, 1), abs=0.01)
    assert (back.scores, back.probabilities) == (pytest.approx(there.scores), pytest.approx(there.probabilities))


@pytest.mark.parametrize("n", [4, 10, 100])
def test_two_scores_of_which_one_is_common_still_make_a_table(n) -> None:
    score = np.where(np.arange(n) < 0.75 * n, 0.2, 0.8)
    table = fit_piecewise(sample(score, (np.arange(n) % 2 == 0) | (score > 0.5)))
    assert table.scores == pytest.approx((0.2, 0.8))
    assert table.probabilities[0] < table.probabilities[1]


def test_high_scores_are_resolved_although_they_weigh_little_at_a_low_match_rate() -> None:
    # One decision in fifty is right; they stand at the top, and the best half of them has hardly a wrong one beside it.
    random = np.random.default_rng(3)
    score = np.concatenate([random.uniform(0, 0.7, 4_000), random.uniform(0.5, 1, 4_000)])
    decisions = sample(score, np.arange(8_000) >= 4_000, weight=np.repeat([0.98, 0.02], 4_000))
    table = fit_piecewise(decisions)
    true = 0.02 / 0.5 / (0.02 / 0.5 + 0.98 / 0.7)
    assert probabilities([0.6], table)[0] == pytest.approx(true, abs=0.02)
    assert sum(score > 0.7 for score in table.scores) >= 8
    assert probabilities([0.99], table)[0] > 0.5


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("right", "kind"), [(True, "right"), (False, "wrong")])
def test_decisions_of_one_kind_are_refused(fit, right, kind) -> None:
    with pytest.raises(Unlearnable, match=f"right and wrong decisions among the 20 that calibrate, all are {kind}"):
        fit(sample(np.linspace(0, 1, 20), np.full(20, right)))


@pytest.mark.parametrize("fit", FITS)
def test_decisions_without_weight_do_not_count(fit) -> None:
    right = np.arange(20) > 9
    with pytest.raises(Unlearnable, match="among the 10 that calibrate, all are right"):
        fit(sample(np.linspace(0, 1, 20), right, weight=right * 1.0))


def test_scores_that_say_nothing_are_refused() -> None:
    score = np.linspace(0, 1, 100)
    with pytest.raises(Unlearnable, match="higher scores to be right more often"):
        fit_logistic(sample(score, score < 0.5))
    with pytest.raises(Unlearnable, match="got one score"):
        fit_piecewise(sample(np.ones(100), score < 0.5))


# Which kind describes groups that it has not seen.


def test_the_kind_that_describes_unseen_groups_better_is_chosen() -> None:
    straight = fit_calibration(logistic_sample(1.5, 0.5, 600, 2))
    assert isinstance(straight.calibration, Logistic)
    assert straight.logistic_loss < straight.piecewise_loss
    steps = fit_calibration(stepped_sample(4_000, 2, shares=(0.3, 0.3, 0.35, 0.99)))
    assert isinstance(steps.calibration, Piecewise)
    assert steps.piecewise_loss < steps.logistic_loss


def test_what_is_chosen_was_fitted_to_all_decisions() -> None:
    decisions = logistic_sample(1.5, 0.5, 600, 2)
    assert fit_calibration(decisions).calibration == fit_logistic(decisions)


def test_losses_are_those_of_the_truth_on_unseen_groups() -> None:
    decisions = logistic_sample(1.5, 0.5, 5_000, 6)
    p = 1 / (1 + np.exp(-(1.5 * decisions.score + 0.5)))
    entropy = -float(np.log(np.where(decisions.right, p, 1 - p)).mean())
    assert fit_calibration(decisions).logistic_loss == pytest.approx(entropy, abs=0.005)
    # The scale of the weights says nothing, and twice the decisions do not make twice the loss.
    assert fit_calibration(
        sample(decisions.score, decisions.right, weight=np.full(5_000, 7.0))
    ).logistic_loss == pytest.approx(entropy, abs=0.005)


def test_pieces_that_only_remember_their_groups_are_not_chosen() -> None:
    # Scores tell the group, and each group is right or wrong as a whole: seen groups would be described all too well.
    random = np.random.default_rng(8)
    group = np.repeat(np.arange(40), 50)
    score = random.uniform(-1, 1, 40)[group] + 1e-3 * random.normal(size=2_000)
    right = (random.random(40) < 1 / (1 + np.exp(-2 * score[::50])))[group]
    assert isinstance(fit_calibration(sample(score, right, group=group)).calibration, Logistic)
    assert isinstance(fit_calibration(sample(score, right)).calibration, Piecewise)


def test_folds_whose_rest_is_of_one_kind_are_left_out_of_the_loss() -> None:
    # All right decisions are of group 0: where it is held out nothing can be fitted, and nothing is counted.
    random = np.random.default_rng(1)
    group = np.repeat(np.arange(5), 100)
    right = group == 0
    score = right + 2.0 * random.normal(size=500)
    chosen = fit_calibration(sample(score, right, group=group))
    losses = []
    for held in range(1, 5):
        seen = fit_logistic(sample(score[group != held], right[group != held]))
        losses.append(-np.log(1 - probabilities(score[group == held], seen)).mean())
    assert chosen.logistic_loss == pytest.approx(np.mean(losses), rel=0.01)


def test_right_decisions_in_one_fold_and_wrong_ones_in_the_other_are_refused() -> None:
    right = np.arange(10) < 5
    with pytest.raises(Unlearnable, match="in several sibling groups"):
        fit_calibration(sample(np.where(right, 1.0, 0.0), right, group=(~right).astype(int)), folds=2)


def test_fewer_groups_than_folds_are_refused() -> None:
    decisions = logistic_sample(1.0, 0.0, 40, 0)
    with pytest.raises(Unlearnable, match="5 sibling groups at least, got 4"):
        fit_calibration(sample(decisions.score, decisions.right, group=np.arange(40) % 4))


# Another match rate, by the odds.


# How far probabilities are off.
