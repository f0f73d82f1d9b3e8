"""Where automatic acceptance and review begin: a promised precision by a test that keeps its word, and a review budget.

The test (fixed-sequence testing, Bauer 1991): thresholds on a grid that was fixed beforehand are tested from strict to
loose, each at the full level, stopping at the first failure. The promise is then broken in at most 1 - confidence of
all trials, however many thresholds there are; choosing the best-looking one by its own bound breaks it far more often.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from msgspec import Struct
from scipy.stats import beta, binom

from matcher.arrays import F64Array, I64Array
from matcher.evaluation.decisions import Answers, TopDecisions
from matcher.evaluation.figures import accepted
from matcher.evaluation.review import Validator
from matcher.model.promise import Promise

#: From one point of the grid to the next so many times more is accepted.
STEP = 1.15
#: The strictest threshold is expected to accept so many times what an errorless test needs.
RESERVE = 1.3
#: The grid begins at its strictest point whose chance to pass comes so near to the best one.
NEAR = 0.05


class Aim(Struct, frozen=True, kw_only=True):
    """The promise that is asked for; see `Promise`."""

    target: float = 0.99
    confidence: float = 0.95
    match_rate: float = 0.1

    def __post_init__(self) -> None:
        """ValueError on what cannot be promised."""
        if not (0 < self.target < 1 and 0 < self.confidence < 1 and 0 < self.match_rate <= 1):
            raise ValueError(
                "expected a target and a confidence between 0 and 1 and a match rate above 0 and at most 1, got "
                f"{self.target}, {self.confidence}, {self.match_rate}"
            )

    @property
    def needed(self) -> int:
        """Accepted decisions, all of them right, without which nothing can be certified: 299 for 0.99 at 95 %."""
        return math.ceil(math.log(1 - self.confidence) / math.log(self.target))


def independent(answers: Answers, groups: I64Array, match_rate: float, seed: int) -> TopDecisions:
    """Decisions that can be counted: at most one a sibling group, a share `match_rate` of them with a match.

    `groups` i64[n]: of each query of the answers. Offers of one group are wrong together, so they are one unit. From
    every group one query is drawn, and kept with the probability size ÷ largest size: so each offer counts alike, and
    large groups, which are the hard ones, are not played down. Then its partners are hidden, or not, at random.

    The seed has to be fixed beforehand: drawing again until the test passes makes the promise worthless. Raises
    ValueError where too few queries have a match for the rate, and for groups of other queries.
    """
    if len(groups) != len(answers.top):
        raise ValueError(f"expected a sibling group for each of the {len(answers.top)} queries, got {len(groups)}")
    random = np.random.default_rng(seed)
    order = random.permutation(len(groups))
    _, first, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    drawn = np.sort(order[first[random.random(len(first)) < sizes / sizes.max(initial=1)]])
    measured = float(answers.top.has_match.mean()) if len(answers.top) else 0.0
    if measured < match_rate:
        raise ValueError(f"expected a share {match_rate} of the queries to have a match at least, got {measured:.3f}")
    seen = answers.top.has_match[drawn] & (random.random(len(drawn)) < match_rate / measured)
    return answers.top.take(drawn[seen]).followed_by(answers.hidden.take(drawn[~seen]))


def accept_grid(probability: F64Array, weight: F64Array, units: int, aim: Aim) -> tuple[float, ...]:
    """Thresholds from strict to loose, from calibration data alone, before the test sees its own.

    `probability` f64[n] and `weight` f64[n] of the decisions that calibrated, at the declared match rate. The test
    stops at the first failure, so where it begins decides about its power: a threshold that accepts so few that one
    error fails it may cost all the others. It begins at the strictest point that is about as likely to pass as the
    likeliest one, if the probabilities are right; each is expected to accept, of `units` decisions, somewhat more than
    `Aim.needed`. Empty where none from 0.5 on accepts so many.
    """
    order = np.argsort(-probability, kind="stable")
    ranked, mass = probability[order], np.cumsum(weight[order])
    usable = int((ranked >= 0.5).sum())
    least = RESERVE * aim.needed
    if not usable or mass[usable - 1] * units < least * mass[-1]:
        return ()
    expected = mass[:usable] / mass[-1] * units
    wanted = least * STEP ** np.arange(1 + math.floor(math.log(expected[-1] / least) / math.log(STEP)))
    thresholds = np.unique(ranked[np.minimum(np.searchsorted(expected, wanted), usable - 1)])[::-1]
    # All that reach a threshold are accepted, those that just reach it too.
    reached = np.searchsorted(-ranked[:usable], -thresholds, side="right") - 1
    wrong = np.cumsum((weight * (1 - probability))[order])[reached] / mass[reached]
    chance = _chance(np.round(expected[reached]), wrong, aim)
    return tuple(thresholds[int(np.argmax(chance >= chance.max() - NEAR)) :].tolist())


def certify(decisions: TopDecisions, grid: Sequence[float], aim: Aim, index_size: int) -> Promise:
    """Tests the grid on independent decisions (`independent`), whose confidence is a calibrated probability.

    They must come from products that nothing was learned from: not the embedding, the verifier, the calibration or the
    grid. What is `held` is not accepted. Raises ValueError where the grid does not descend.
    """
    if any(later >= earlier for earlier, later in pairwise(grid)):
        raise ValueError(f"expected thresholds that descend, got {list(grid)}")
    passed: tuple[float, int, int] | None = None
    failed: tuple[float, int, int] | None = None
    for threshold in grid:
        taken, errors = count(decisions, threshold)
        if not holds(taken, errors, aim):
            failed = threshold, taken, errors
            break
        passed = threshold, taken, errors
    accept, taken, errors = passed or (None, *(failed[1:] if failed else (0, 0)))
    return Promise(
        target=aim.target,
        confidence=aim.confidence,
        match_rate=aim.match_rate,
        index_size=index_size,
        accept=accept,
        units=len(decisions),
        accepted=taken,
        errors=errors,
        precision_low=precision_low(taken, errors, aim.confidence) if taken else None,
        why="" if passed else _why(len(decisions), failed, aim),
    )


def count(decisions: TopDecisions, threshold: float) -> tuple[int, int]:
    """(accepted, wrong among them)."""
    taken = accepted(decisions, threshold)
    return int(taken.sum()), int((taken & ~decisions.right).sum())


def holds(accepted: int, errors: int, aim: Aim) -> bool:
    """The exact binomial test: would so few errors be rarer than 1 - confidence if precision were below the target?"""
    return accepted > 0 and float(binom.cdf(errors, accepted, 1 - aim.target)) <= 1 - aim.confidence


def _chance(accepted: F64Array, wrong: F64Array, aim: Aim) -> F64Array:
    """f64[n]: how likely each test is to pass with so many `accepted` f64[n], a share `wrong` f64[n] expected wrong."""
    allowed = binom.ppf(1 - aim.confidence, accepted, 1 - aim.target)
    allowed -= binom.cdf(allowed, accepted, 1 - aim.target) > 1 - aim.confidence
    return np.asarray(binom.cdf(allowed, accepted, np.clip(wrong, 0, 1)), np.float64)


def precision_low(accepted: int, errors: int, confidence: float) -> float:
    """The one-sided lower bound of Clopper and Pearson on the precision; 0 where nothing was right."""
    right = accepted - errors
    return float(beta.ppf(1 - confidence, right, errors + 1)) if right else 0.0


def _why(units: int, failed: tuple[float, int, int] | None, aim: Aim) -> str:
    asked = (
        f"precision {aim.target} at {aim.confidence:.0%} confidence needs {aim.needed} accepted decisions without error"
    )
    if failed is None:
        return f"{asked}; {units} independent ones at match rate {aim.match_rate} cannot give so many"
    return (
        f"{asked}; the strictest threshold, {failed[0]:.4f}, accepted {failed[1]} of {units}, {failed[2]} of them wrong"
    )


class ReviewChoice(Struct, frozen=True, kw_only=True):
    """Where review begins, and what it should come to. `limited_by`: what keeps the threshold from being lower.

    `per_thousand`: reviews per 1,000 offers at the declared match rate. `precision_before` of what people see, and
    `precision_after` of what they confirm; None where nobody is asked.
    """

    threshold: float
    per_thousand: float
    precision_before: float | None
    precision_after: float | None
    limited_by: str


def review_threshold(
    probability: F64Array,
    weight: F64Array,
    accept: float | None,
    *,
    validator: Validator,
    per_thousand: float,
    goal: float = 0.9,
) -> ReviewChoice:
    """The lowest threshold at which people still deliver `goal`, and that the budget of reviews allows.

    What a validator confirms is right with P_after = 1 / (1 + (1 / P_before - 1) / LR+) (paper, "People in the loop"):
    so the least probability that is worth showing is the one from which P_after reaches the goal. `probability` and
    `weight` f64[n] stand for the stream at the declared match rate. Where nothing is accepted, a threshold of 1 lets
    no decision through but those of probability 1. ValueError for a goal outside (0, 1) or a budget outside 0 to 1,000.
    """
    if not 0 < goal < 1 or not 0 <= per_thousand <= 1000:
        raise ValueError(f"expected a goal between 0 and 1 and 0 to 1000 reviews, got {goal} and {per_thousand}")
    worth = 1 / (1 + validator.likelihood_ratio * (1 / goal - 1))
    ceiling = 1.0 if accept is None else accept
    below = probability < ceiling if accept is not None else np.ones(len(probability), np.bool_)
    levels, place = np.unique(probability[below], return_inverse=True)
    share = np.bincount(place, weight[below], len(levels)) / weight.sum() * 1000
    asked = np.cumsum(share[::-1])[::-1]
    affordable = levels[asked <= per_thousand]
    edge = 0.0
    if len(affordable) < len(levels):
        edge = float(affordable[0]) if len(affordable) else ceiling
    threshold = max(worth, edge)
    shown = below & (probability >= threshold)
    before = float(np.average(probability[shown], weights=weight[shown])) if weight[shown].sum() > 0 else None
    return ReviewChoice(
        threshold=min(threshold, ceiling),
        per_thousand=float(1000 * weight[shown].sum() / weight.sum()),
        precision_before=before,
        precision_after=None if before is None else validator.precision_after(before),
        limited_by="validator" if worth >= edge else "budget",
    )
