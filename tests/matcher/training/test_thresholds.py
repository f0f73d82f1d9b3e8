"""Accept thresholds keep what they promise; review begins where people still deliver, within the budget."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from scipy.stats import binom, norm

from matcher.evaluation.review import Validator
from matcher.model.calibration import probabilities
from matcher.training.calibration import by_hiding, fit_logistic
from matcher.training.thresholds import (
    Aim,
    accept_grid,
    certify,
    count,
    holds,
    independent,
    precision_low,
    review_threshold,
)
from tests.examples import examples
from tests.matcher.evaluation.making import tops
from tests.matcher.training.streams import World, answers

AIM = Aim()


def flat(share):
    return World(lambda confidence: np.full(len(confidence), share))


# The promise: broken in at most 5 of 100 trials, whatever the truth is.


def trials(world, *, runs, units, seed, claims=lambda confidence: confidence):
    """The threshold that each run accepts. Twenty grids, each from calibration data of its own; `claims` are its
    probabilities, right or not."""
    random = np.random.default_rng(seed)
    for _ in range(20):
        grid = accept_grid(claims(world.draw(random, units).confidence), np.ones(units), units, AIM)
        for _ in range(runs // 20):
            tested = world.draw(random, units)
            yield certify(tops(claims(tested.confidence), tested.right), grid, AIM, 10).accept


def looks_good_somewhere(world, *, runs, units, seed):
    """How many runs have any threshold from 0.5 on with its own lower bound at the target, and so choose one."""
    random = np.random.default_rng(seed)
    accepted = np.arange(1, units + 1)
    allowed = binom.ppf(0.05, accepted, 0.01)
    allowed -= binom.cdf(allowed, accepted, 0.01) > 0.05
    good = 0
    for _ in range(runs):
        tested = world.draw(random, units)
        order = np.argsort(-tested.confidence)
        order = order[tested.confidence[order] >= 0.5]
        good += bool((np.cumsum(~tested.right[order]) <= allowed[: len(order)]).any())
    return good


WORLDS = {
    "a little too low everywhere": flat(0.0102),
    "falls below the target at 0.8": World(lambda confidence: 0.1 * (1 - confidence)),
    "drops below it at once at 0.9": World(lambda confidence: np.where(confidence >= 0.9, 0.009, 0.015)),
    "the most confident are the worst": World(lambda confidence: 0.006 + 0.02 * np.maximum(confidence - 0.7, 0)),
}


@pytest.mark.parametrize("name", WORLDS)
def test_the_promise_is_broken_in_at_most_one_of_twenty_trials(name) -> None:
    world, runs = WORLDS[name], 600
    accepted = trials(world, runs=runs, units=4_000, seed=11)
    broken = sum(world.precision(threshold) < AIM.target for threshold in accepted if threshold is not None)
    assert broken <= binom.ppf(0.999, runs, 0.05), f"broken in {broken} of {runs} trials, seed 11"


def test_choosing_the_best_looking_threshold_breaks_the_promise_far_more_often() -> None:
    world, runs = WORLDS["a little too low everywhere"], 600
    # Every threshold is too low here: whatever is taken breaks the promise.
    by_test = sum(threshold is not None for threshold in trials(world, runs=runs, units=4_000, seed=11))
    by_looks = looks_good_somewhere(world, runs=runs, units=4_000, seed=11)
    assert by_looks > binom.ppf(0.9999, runs, 0.10), f"{by_looks} of {runs}, seed 11"
    assert by_looks > 2.5 * by_test, f"{by_looks} by its own bound, {by_test} by the test, seed 11"


@pytest.mark.parametrize("wrong", [0.001, 0.002])
def test_what_keeps_the_target_easily_is_mostly_certified(wrong) -> None:
    def claims(confidence):
        return 1 - wrong - 0.001 * (0.5 - confidence)

    accepted = trials(flat(wrong), runs=200, units=4_000, seed=5, claims=claims)
    assert sum(threshold is not None for threshold in accepted) > 0.75 * 200


def siblings_share_errors(random, groups, size):
    """Offers of a group are right or wrong together; a little too few are right."""
    right = np.repeat(random.random(groups) > 0.0105, size)
    return tops(random.uniform(0.9, 1.0, groups * size), right), np.repeat(np.arange(groups), size)


def test_the_promise_holds_where_siblings_are_wrong_together_but_not_if_each_counts() -> None:
    random = np.random.default_rng(3)
    runs, aim = 300, Aim(match_rate=1.0)
    as_units = as_offers = 0
    for run in range(runs):
        top, groups = siblings_share_errors(random, groups=500, size=10)
        as_units += certify(independent(answers(top), groups, 1.0, run), (0.9,), aim, 1).accept is not None
        as_offers += certify(top, (0.9,), aim, 1).accept is not None
    assert as_units <= binom.ppf(0.999, runs, 0.05), f"{as_units} of {runs}, seed 3"
    assert as_offers > binom.ppf(0.9999, runs, 0.15), f"{as_offers} of {runs}, seed 3"


def answered(random, n):
    """Queries that all have a match, 1 of 1,000 wrong even so; they score five higher than hidden ones do."""
    top = tops(random.normal(4, 1, n), random.random(n) >= 0.001)
    return answers(top, tops(random.normal(-1, 1, n), np.zeros(n), np.zeros(n)))


def with_confidence(decisions, calibration):
    return structs.replace(decisions, confidence=probabilities(decisions.score, calibration))


@pytest.mark.slow
def test_from_calibration_to_certificate_the_promise_is_kept_and_mostly_given() -> None:
    random, runs, n = np.random.default_rng(9), 20, 8_000
    given_at = []
    for run in range(runs):
        learned = by_hiding(answered(random, n), np.arange(n), AIM.match_rate)
        calibration = fit_logistic(learned)
        grid = accept_grid(probabilities(learned.score, calibration), learned.weight, n, AIM)
        drawn = independent(answered(random, n), np.arange(n), AIM.match_rate, run)
        accept = certify(with_confidence(drawn, calibration), grid, AIM, n).accept
        if accept is not None:
            given_at.append((np.log(accept / (1 - accept)) - calibration.intercept) / calibration.slope)
    found, mistaken = 0.1 * norm.sf(np.array(given_at), 4), 0.9 * norm.sf(np.array(given_at), -1)
    precision = 0.999 * found / (found + mistaken)
    assert (precision < AIM.target).sum() <= binom.ppf(0.999, runs, 0.05), "seed 9"
    assert len(given_at) > 0.7 * runs
    # With the truth known, a threshold at 2.0 would keep the target and accept 0.98 of the queries with a match.
    assert np.median(found / 0.1) > 0.8


# The exact test and its edge.


@pytest.mark.parametrize(
    ("accepted", "errors", "passes"),
    [(299, 0, True), (298, 0, False), (473, 1, True), (472, 1, False), (299, 1, False), (0, 0, False)],
)
def test_so_many_accepted_decisions_are_needed(accepted, errors, passes) -> None:
    decisions = tops([0.9] * accepted + [0.1] * 50, [0] * errors + [1] * (accepted - errors) + [0] * 50)
    promise = certify(decisions, (0.9,), AIM, 1_000)
    assert (promise.accept == 0.9) is passes
    assert (promise.accept is None) is not passes
    assert (promise.accepted, promise.errors, promise.units) == (accepted, errors, accepted + 50)
    assert bool(promise.why) is not passes


def test_the_default_target_needs_299_decisions_without_an_error() -> None:
    assert AIM.needed == 299


@settings(deadline=None)
@given(target=st.floats(0.5, 0.995), confidence=st.floats(0.5, 0.99))
def test_needed_is_the_least_number_that_passes_without_an_error(target, confidence) -> None:
    aim = Aim(target=target, confidence=confidence)
    assert holds(aim.needed, 0, aim)
    assert not holds(aim.needed - 1, 0, aim)


@settings(deadline=None)
@given(accepted=st.integers(1, 3_000), share=st.floats(0, 1))
def test_what_holds_is_what_has_its_lower_bound_at_the_target(accepted, share) -> None:
    errors = round(share**4 * accepted)
    assert holds(accepted, errors, AIM) == (precision_low(accepted, errors, AIM.confidence) >= AIM.target)


def test_the_lower_bound_is_the_precision_at_which_so_few_errors_are_just_rare() -> None:
    low = precision_low(200, 7, 0.95)
    assert binom.cdf(7, 200, 1 - low) == pytest.approx(0.05)
    assert precision_low(5, 5, 0.95) == 0


@pytest.mark.parametrize("bad", [{"target": 1.0}, {"target": 0.0}, {"confidence": 1.0}, {"match_rate": 0.0}])
def test_what_cannot_be_promised_is_refused(bad) -> None:
    with pytest.raises(ValueError, match="expected a target and a confidence between 0 and 1"):
        Aim(**bad)


# From strict to loose, stopping at the first failure.


def test_the_loosest_threshold_before_the_first_failure_is_taken() -> None:
    confidence = np.repeat([0.9, 0.8, 0.7, 0.6], [300, 200, 200, 5_000])
    right = np.ones(5_700)
    right[500:510] = 0
    promise = certify(tops(confidence, right), (0.9, 0.8, 0.7, 0.6), AIM, 77)
    # At 0.6 it would pass again, but the test has stopped.
    assert holds(*count(tops(confidence, right), 0.6), AIM)
    assert (promise.accept, promise.accepted, promise.errors) == (0.8, 500, 0)
    assert promise.precision_low == pytest.approx(0.05 ** (1 / 500))
    assert (promise.target, promise.confidence, promise.match_rate, promise.index_size) == (0.99, 0.95, 0.1, 77)
    assert promise.why == ""


def test_where_the_strictest_fails_nothing_is_accepted_and_it_says_why() -> None:
    decisions = tops([0.9] * 100 + [0.8] * 400, [1] * 500)
    promise = certify(decisions, (0.9, 0.8), AIM, 1)
    assert promise.accept is None
    assert (promise.accepted, promise.errors) == (100, 0)
    for fact in ("precision 0.99", "95% confidence", "needs 299", "0.9000, accepted 100 of 500, 0 of them wrong"):
        assert fact in promise.why


def test_without_any_threshold_to_test_nothing_is_accepted_and_it_says_why() -> None:
    promise = certify(tops([0.9] * 100, [1] * 100), (), AIM, 1)
    assert (promise.accept, promise.accepted, promise.precision_low) == (None, 0, None)
    assert "100 independent ones at match rate 0.1 cannot give so many" in promise.why


def test_queries_without_a_candidate_are_never_accepted() -> None:
    assert count(tops([-np.inf, 0.5], [0, 0]), -np.inf) == (1, 1)


def test_what_other_rules_hold_back_is_not_accepted() -> None:
    decisions = structs.replace(tops([0.9, 0.8, 0.7], [0, 1, 0]), held=np.array([True, False, False]))
    assert count(decisions, 0.75) == (1, 0)


@pytest.mark.parametrize("grid", [(0.8, 0.9), (0.9, 0.9)])
def test_a_grid_that_does_not_descend_is_refused(grid) -> None:
    with pytest.raises(ValueError, match="descend"):
        certify(tops([0.9], [1]), grid, AIM, 1)


# Where the grid lies.


@settings(max_examples=examples(50), deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60_000))
def test_a_grid_descends_and_each_threshold_is_expected_to_accept_enough(seed, units) -> None:
    random = np.random.default_rng(seed)
    probability, weight = np.round(random.beta(0.3, 0.5, 500), 2), random.random(500)
    grid = accept_grid(probability, weight, units, AIM)
    assert list(grid) == sorted(set(grid), reverse=True)
    for threshold in grid:
        assert threshold >= 0.5
        assert units * weight[probability >= threshold].sum() / weight.sum() >= 1.29 * AIM.needed
    could = units * weight[probability >= 0.5].sum() / weight.sum()
    assert bool(grid) == (could >= 1.3 * AIM.needed)


def test_a_grid_reaches_as_far_as_the_data_in_steps_of_a_sixth() -> None:
    probability = np.linspace(0, 1, 100_001)
    grid = accept_grid(probability, np.ones(100_001), 1_000_000, AIM)
    assert 0.5 <= grid[-1] < 0.6
    assert np.diff(np.log(1 - np.array(grid[1:]))) == pytest.approx(np.log(1.15), rel=0.1)


def test_a_grid_begins_where_the_test_has_the_best_chances() -> None:
    # Half of a percent is wrong down to 0.7 and far more below: few decisions would fail by chance, all for certain.
    probability = np.concatenate([np.linspace(0.997, 0.993, 4_000), np.linspace(0.9, 0.5, 4_000)])
    units = 8_000
    grid = accept_grid(probability, np.ones(units), units, AIM)
    # The strictest with hardly less than the best chance, 0.95 against 0.98.
    assert 1_800 <= (probability >= grid[0]).sum() <= 2_400
    assert accept_grid(probability - 0.4, np.ones(units), units, AIM)[0] == np.sort(probability - 0.4)[-389]


def test_a_grid_counts_all_decisions_that_share_a_probability() -> None:
    probability = np.repeat([0.9985, 0.97, 0.2], [2_000, 2_000, 4_000])
    assert accept_grid(probability, np.ones(8_000), 8_000, AIM) == (0.9985, 0.97)


# Units that are independent.


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=30), st.integers(0, 2**32 - 1))
def test_at_most_one_decision_of_a_group_is_drawn_and_the_seed_repeats_it(sizes, seed) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    top = tops(np.linspace(0, 1, len(groups)), np.ones(len(groups)))
    drawn = independent(answers(top), groups, 0.5, seed)
    taken = groups[drawn.query]
    assert len(set(taken.tolist())) == len(taken)
    # The largest groups are kept for certain.
    assert set(np.flatnonzero(np.array(sizes) == max(sizes))) <= set(taken.tolist())
    again = independent(answers(top), groups, 0.5, seed)
    assert drawn.query.tolist() == again.query.tolist()
    assert drawn.has_match.tolist() == again.has_match.tolist()


def test_every_offer_counts_alike_however_large_its_group() -> None:
    sizes = np.repeat([1, 4], 100)
    groups = np.repeat(np.arange(200), sizes)
    top = tops(np.ones(500), np.ones(500))
    times = np.zeros(500)
    for seed in range(200):
        times[independent(answers(top), groups, 1.0, seed).query] += 1
    # Each of 500 offers in a quarter of the draws.
    assert times[:100].mean() == pytest.approx(50, abs=2.5)
    assert times[100:].mean() == pytest.approx(50, abs=2.5)
    assert times.min() > 20
    assert times.max() < 80


@pytest.mark.parametrize("rate", [0.6, 0.1])
def test_the_declared_share_keeps_its_match_and_the_others_are_hidden(rate) -> None:
    n = 1_000
    has_match = np.arange(n) % 5 < 3
    top = tops(np.full(n, 0.9), has_match, has_match)
    hidden = tops(np.full(n, 0.4), np.zeros(n), np.zeros(n))
    share = []
    for seed in range(100):
        drawn = independent(answers(top, hidden), np.arange(n), rate, seed)
        assert len(drawn) == n
        assert (drawn.confidence == np.where(drawn.has_match, 0.9, 0.4)).all()
        assert has_match[drawn.query[drawn.has_match]].all()
        share.append(drawn.has_match.mean())
    assert np.mean(share) == pytest.approx(rate, abs=0.006)


def test_too_few_queries_with_a_match_are_refused() -> None:
    top = tops(np.ones(10), np.ones(10), np.arange(10) < 4)
    with pytest.raises(ValueError, match=r"a share 0\.5 of the queries to have a match at least, got 0\.400"):
        independent(answers(top), np.arange(10), 0.5, 0)
    with pytest.raises(ValueError, match=r"got 0\.000"):
        independent(answers(tops([], [])), np.arange(0), 0.5, 0)


def test_groups_of_other_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="a sibling group for each of the 3 queries, got 2"):
        independent(answers(tops([1, 1, 1], [1, 1, 1])), np.arange(2), 0.5, 0)


# Review.

CROWD = Validator()
LADDER = np.arange(1, 101) / 100


def band(accept=0.9, per_thousand=1_000.0, goal=0.9, probability=LADDER, weight=None, validator=CROWD):
    weights = np.ones(len(probability)) if weight is None else weight
    return review_threshold(probability, weights, accept, validator=validator, per_thousand=per_thousand, goal=goal)


@settings(deadline=None)
@given(st.floats(0.05, 0.95), st.floats(0.5, 200))
def test_what_is_shown_at_the_threshold_just_reaches_the_goal_by_the_papers_formula(goal, ratio) -> None:
    validator = Validator(likelihood_ratio=ratio)
    choice = band(accept=None, goal=goal, validator=validator)
    before = choice.threshold
    assert 1 / (1 + (1 / before - 1) / ratio) == pytest.approx(goal)
    assert choice.limited_by == "validator"


def test_the_papers_crowd_confirms_as_precisely_as_in_the_paper() -> None:
    # 28.5 % before, 93.7 % after: to ask for 0.937 is to show from 0.285 on.
    assert band(goal=0.937).threshold == pytest.approx(0.285, abs=0.001)


def test_the_band_lies_below_what_is_accepted_and_is_weighed() -> None:
    weight = np.where(LADDER < 0.5, 3.0, 1.0)
    choice = band(accept=0.9, weight=weight)
    shown = (choice.threshold <= LADDER) & (LADDER < 0.9)
    assert choice.per_thousand == pytest.approx(1000 * weight[shown].sum() / weight.sum())
    assert choice.precision_before == pytest.approx(np.average(LADDER[shown], weights=weight[shown]))
    assert choice.precision_after == pytest.approx(CROWD.precision_after(choice.precision_before))
    assert choice.precision_after > 0.9


@settings(max_examples=examples(50), deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1_000), st.one_of(st.none(), st.floats(0.3, 1.0)))
def test_the_budget_is_kept_and_used(seed, budget, accept) -> None:
    random = np.random.default_rng(seed)
    probability, weight = np.round(random.beta(0.5, 1, 80) * 0.99, 2), random.random(80)
    choice = band(accept=accept, per_thousand=budget, probability=probability, weight=weight)
    assert choice.per_thousand <= budget + 1e-9
    below = probability < (1.0 if accept is None else accept)
    worth = 1 / (1 + CROWD.likelihood_ratio * (1 / 0.9 - 1))
    cheaper = below & (probability < choice.threshold) & (probability >= worth)
    if choice.limited_by == "budget":
        # The next lower probability is worth showing or not, but would cost too much.
        lower = probability[below & (probability < choice.threshold)].max()
        assert 1000 * weight[below & (probability >= lower)].sum() / weight.sum() > budget
    else:
        assert not cheaper.any()


def test_the_budget_limits_where_more_would_be_worth_showing() -> None:
    choice = band(accept=0.9, per_thousand=100)
    assert (choice.threshold, choice.per_thousand, choice.limited_by) == (0.80, pytest.approx(100), "budget")


def test_where_the_budget_has_room_for_all_the_validator_limits() -> None:
    choice = band(accept=None, per_thousand=1_000, probability=np.array([0.6, 0.7]))
    assert choice.limited_by == "validator"
    assert choice.threshold == pytest.approx(1 / (1 + 37.3 / 9))
    assert choice.per_thousand == 1_000


def test_where_all_is_accepted_nobody_is_asked_and_no_budget_is_blamed() -> None:
    choice = band(accept=0.5, per_thousand=10, probability=np.array([0.6, 0.7]))
    assert (choice.per_thousand, choice.precision_before, choice.precision_after) == (0, None, None)
    assert choice.limited_by == "validator"


@pytest.mark.parametrize("accept", [0.9, None])
def test_a_budget_of_zero_asks_nobody(accept) -> None:
    choice = band(accept=accept, per_thousand=0, probability=LADDER[:-1])
    assert choice.threshold == (1.0 if accept is None else 0.9)
    assert (choice.per_thousand, choice.precision_before, choice.precision_after) == (0, None, None)
    assert choice.limited_by == "budget"


def test_review_never_begins_above_acceptance() -> None:
    # A goal that only sure decisions reach, and a looser accept threshold.
    choice = band(accept=0.5, goal=0.999)
    assert (choice.threshold, choice.per_thousand) == (0.5, 0)
    assert choice.limited_by == "validator"


@pytest.mark.parametrize("bad", [{"goal": 0.0}, {"goal": 1.0}, {"per_thousand": -1.0}, {"per_thousand": 1_001.0}])
def test_a_goal_or_a_budget_that_is_none_is_refused(bad) -> None:
    with pytest.raises(ValueError, match="expected a goal between 0 and 1 and 0 to 1000 reviews"):
        band(**bad)
