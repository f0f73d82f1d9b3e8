"""Calibrates the top-1 decision: from the final score of the best candidate to the probability that it is right.

Not pairs: the best of fifteen candidates is chosen because its score is high, so pair probabilities flatter it.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from matcher.arrays import BoolArray, F64Array, I64Array
from matcher.evaluation.decisions import Answers, TopDecisions
from matcher.evaluation.match_rates import mixture
from matcher.model.calibration import Calibration, Logistic, Piecewise, probabilities
from matcher.training.labelled import Unlearnable
from matcher.training.splits import folds_of

#: Knots of a piecewise table by weight and as many by right decisions, at most; decisions each must stand on.
KNOTS, LEAST = 32, 20


class Sample(Struct, frozen=True, kw_only=True):
    """n top-1 decisions: `score` f64[n], whether each was `right` (bool[n]), its `weight` f64[n] and sibling `group`
    i64[n].

    Together they stand for a stream with the declared share of offers that have a match.
    """

    score: F64Array
    right: BoolArray
    weight: F64Array
    group: I64Array

    def __len__(self) -> int:
        return len(self.score)


def by_hiding(answers: Answers, groups: I64Array, match_rate: float) -> Sample:
    """Every query as it is and with its partners hidden, weighed so that a share `match_rate` has a match.

    `groups` i64[n]: the sibling group of each query of the answers. Exact at any rate, also where all queries have a
    match. Raises ValueError for a rate outside (0, 1], without any query that has a match, and for groups of others.
    """
    _check_groups(groups, answers.top)
    mixed = mixture(answers, match_rate)
    return _sample(mixed.top, mixed.weights(np.ones((1, len(answers.top))))[0], groups[mixed.origin])


def joined(samples: Sequence[Sample]) -> Sample:
    """Several samples as one, each with its share of decisions; groups of different samples stay different.

    Raises ValueError without any.
    """
    if not samples:
        raise ValueError("expected at least one sample to join")
    offsets = np.cumsum([0, *(int(sample.group.max(initial=-1)) + 1 for sample in samples)])
    return Sample(
        score=np.concatenate([sample.score for sample in samples]),
        right=np.concatenate([sample.right for sample in samples]),
        weight=np.concatenate([sample.weight / sample.weight.sum() * len(sample) for sample in samples]),
        group=np.concatenate([sample.group + offset for sample, offset in zip(samples, offsets, strict=False)]),
    )


def fit_logistic(sample: Sample) -> Logistic:
    """Two numbers: robust, and right where the score is a logarithm of odds. Raises `Unlearnable`."""
    _check(sample)
    model = LogisticRegression(C=1e6, max_iter=1_000).fit(sample.score[:, None], sample.right, _even(sample))
    slope = float(model.coef_[0, 0])
    if slope <= 0:
        raise Unlearnable("expected higher scores to be right more often, and they are not: nothing was learned")
    return Logistic(slope=slope, intercept=float(model.intercept_[0]))


def fit_piecewise(sample: Sample) -> Piecewise:
    """Isotonic regression on blocks of decisions, joined by straight lines. Raises `Unlearnable`.

    Each block is drawn towards the mean by two decisions, so that no probability is exactly 0 or 1. Decisions of equal
    score share a block: what stands first among them says nothing.
    """
    _check(sample)
    weight = _even(sample)
    order = np.argsort(sample.score, kind="stable")
    parts = max(min(KNOTS, len(sample) // LEAST), 2)
    # The upper scores decide about acceptance and weigh little at a low match rate: they are cut by right ones too.
    cuts = np.empty(0, np.int64)
    for mass in (weight[order], (weight * sample.right)[order]):
        reached = np.cumsum(mass)
        cuts = np.union1d(cuts, np.searchsorted(reached, np.linspace(0, reached[-1], parts + 1)[1:-1]))
    cuts = _beside_ties(cuts, sample.score[order])
    _, block = np.unique(np.searchsorted(cuts, np.arange(len(order)), side="right"), return_inverse=True)
    held = np.bincount(block, weight[order])
    mean = float(np.average(sample.right, weights=weight))
    centre = np.bincount(block, weight[order] * sample.score[order]) / held
    share = (np.bincount(block, weight[order] * sample.right[order]) + 2 * mean) / (held + 2)
    rising = IsotonicRegression().fit_transform(centre, share, sample_weight=held)
    scores, place = np.unique(centre, return_index=True)
    if len(scores) < 2:
        raise Unlearnable("expected decisions with different scores to calibrate on, got one score")
    probability = np.clip(np.maximum.accumulate(rising[place]), 0, 1)
    return Piecewise(scores=tuple(scores.tolist()), probabilities=tuple(probability.tolist()))


class Chosen(Struct, frozen=True, kw_only=True):
    """The calibration that described unseen sibling groups best. Losses are logarithmic, per decision, out of fold."""

    calibration: Calibration
    logistic_loss: float
    piecewise_loss: float


def fit_calibration(sample: Sample, *, folds: int = 5, seed: int = 0) -> Chosen:
    """Fits both kinds and keeps the better one on groups it was not fitted to; the logistic where they are equal.

    Raises `Unlearnable` without right and wrong decisions, where the rest of a fold never has both, or with fewer
    groups than folds.
    """
    _check(sample)
    if len(np.unique(sample.group)) < folds:
        raise Unlearnable(f"expected decisions of {folds} sibling groups at least, got {len(np.unique(sample.group))}")
    fold = folds_of(sample.group, folds, seed)
    logistic = table = total = 0.0
    for held in range(folds):
        kept, out = _take(sample, fold != held), _take(sample, fold == held)
        if _one_kind(kept):
            continue
        logistic += _loss(probabilities(out.score, fit_logistic(kept)), out)
        table += _loss(probabilities(out.score, fit_piecewise(kept)), out)
        total += float(out.weight.sum())
    if not total:
        raise Unlearnable("expected right and wrong decisions in several sibling groups, all of a kind are in one fold")
    return Chosen(
        calibration=fit_piecewise(sample) if table < logistic else fit_logistic(sample),
        logistic_loss=logistic / total,
        piecewise_loss=table / total,
    )


def _sample(top: TopDecisions, weight: F64Array, group: I64Array) -> Sample:
    answered = top.candidate >= 0
    return Sample(
        score=top.score[answered].astype(np.float64),
        right=top.right[answered],
        weight=weight[answered],
        group=group[answered],
    )


def _take(sample: Sample, chosen: BoolArray) -> Sample:
    return Sample(
        score=sample.score[chosen],
        right=sample.right[chosen],
        weight=sample.weight[chosen],
        group=sample.group[chosen],
    )


def _even(sample: Sample) -> F64Array:
    """Weights that add up to the number of decisions that they are worth (Kish)."""
    worth = sample.weight.sum() ** 2 / np.square(sample.weight).sum()
    return np.asarray(sample.weight * (worth / sample.weight.sum()))


def _beside_ties(cuts: I64Array, ranked: F64Array) -> I64Array:
    """Each cut (the first row of a block, in ascending scores) at the nearer end of the scores it would part."""
    score = ranked[np.minimum(cuts, len(ranked) - 1)]
    first, last = np.searchsorted(ranked, score, "left"), np.searchsorted(ranked, score, "right")
    later = (first == 0) | ((last < len(ranked)) & (last - cuts < cuts - first))
    return np.unique(np.where(later, last, first))


def _one_kind(sample: Sample) -> str:
    """What all decisions that have weight are; empty where there are right and wrong ones."""
    counted = sample.right[sample.weight > 0]
    if not counted.any():
        return "wrong"
    return "right" if counted.all() else ""


def _check(sample: Sample) -> None:
    if kind := _one_kind(sample):
        counted = int((sample.weight > 0).sum())
        raise Unlearnable(f"expected right and wrong decisions among the {counted} that calibrate, all are {kind}")


def _check_groups(groups: I64Array, top: TopDecisions) -> None:
    if len(groups) != len(top):
        raise ValueError(f"expected a sibling group for each of the {len(top)} queries, got {len(groups)}")


def _loss(probability: F64Array, sample: Sample) -> float:
    sure = np.clip(np.where(sample.right, probability, 1 - probability), 1e-9, 1.0)
    return float(-(sample.weight * np.log(sure)).sum())
