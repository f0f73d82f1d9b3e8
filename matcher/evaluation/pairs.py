"""Figures of labelled pairs: is this pair one product, judged by the score of the two offers alone."""

import numpy as np
from msgspec import Struct

from matcher.arrays import BoolArray, F64Array, I64Array
from matcher.evaluation.figures import Figure, Sweep
from matcher.evaluation.intervals import DRAWS, estimates
from matcher.training.dataset import Pairs


class PairFigures(Struct, frozen=True, kw_only=True):
    """`aucpr` is scikit-learn's average precision over pairs. `best_f1` chooses its threshold on these very pairs, an
    upper bound; `f1_at_threshold` takes one from other data (`threshold`), None without one."""

    pairs: int
    positives: int
    aucpr: float | None
    aucpr_low: float | None
    aucpr_high: float | None
    best_f1: float | None
    best_f1_low: float | None
    best_f1_high: float | None
    best_threshold: float | None
    f1_at_threshold: float | None
    f1_at_threshold_low: float | None
    f1_at_threshold_high: float | None
    threshold: float | None


def pair_figures(
    score: F64Array,
    same: BoolArray,
    groups: I64Array,
    *,
    threshold: float | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> PairFigures:
    """Figures of m pairs: scores f64[m], labels bool[m], and the group i64[m] that each is drawn with."""
    if not np.isfinite(score).all():
        raise ValueError("expected finite scores of pairs")
    figures = {"aucpr": _average_precision(score, same), "best_f1": _best_f1(score, same)}
    if threshold is not None:
        figures["f1_at_threshold"] = _f1(score >= threshold, same)
    found = estimates(figures, groups, draws=draws, seed=seed)
    area, best, fixed = found["aucpr"], found["best_f1"], found.get("f1_at_threshold")
    return PairFigures(
        pairs=len(score),
        positives=int(same.sum()),
        aucpr=area.value,
        aucpr_low=area.low,
        aucpr_high=area.high,
        best_f1=best.value,
        best_f1_low=best.low,
        best_f1_high=best.high,
        best_threshold=best_threshold(score, same),
        f1_at_threshold=None if fixed is None else fixed.value,
        f1_at_threshold_low=None if fixed is None else fixed.low,
        f1_at_threshold_high=None if fixed is None else fixed.high,
        threshold=threshold,
    )


def best_threshold(score: F64Array, same: BoolArray) -> float | None:
    """The score from which on to say "same" for the best F1 on these pairs: choose it on one set, use it on another."""
    if not same.any():
        return None
    sweep = Sweep(score, same)
    return float(sweep.thresholds[int(_f1_at_all(sweep, same, np.ones((1, len(score))))[0].argmax())])


def pooled(tables: list[Pairs]) -> Pairs:
    """The pairs of several tables, each pair once (the first label counts); left and right are exchangeable."""
    left = np.concatenate([table.left for table in tables])
    right = np.concatenate([table.right for table in tables])
    low, high = np.minimum(left, right), np.maximum(left, right)
    _, first = np.unique(np.stack([low, high]), axis=1, return_index=True)
    first = np.sort(first)
    return Pairs(left=left[first], right=right[first], same=np.concatenate([table.same for table in tables])[first])


def _average_precision(score: F64Array, same: BoolArray) -> Figure:
    sweep, positive = Sweep(score, same), same.astype(np.float64)
    return Figure(lambda weights: sweep.area(weights, weights @ positive), same)


def _best_f1(score: F64Array, same: BoolArray) -> Figure:
    sweep = Sweep(score, same)

    def weigh(weights: F64Array) -> F64Array:
        found: F64Array = _f1_at_all(sweep, same, weights).max(axis=1, initial=0.0)
        return np.where((weights @ same) > 0, found, np.nan)

    return Figure(weigh, same)


def _f1(said: BoolArray, same: BoolArray) -> Figure:
    """F1 = 2 · right ÷ (said + same)."""
    right, both = (said & same).astype(np.float64), said.astype(np.float64) + same

    def weigh(weights: F64Array) -> F64Array:
        with np.errstate(invalid="ignore"):
            result: F64Array = 2 * (weights @ right) / (weights @ both)
        return result

    return Figure(weigh, said | same)


def _f1_at_all(sweep: Sweep, same: BoolArray, weights: F64Array) -> F64Array:
    """F1 at every threshold, f64[b, t]."""
    taken, right = sweep.counts(weights)
    whole = taken + (weights @ same.astype(np.float64))[:, None]
    return np.divide(2 * right, whole, out=np.zeros_like(right), where=whole > 0)
