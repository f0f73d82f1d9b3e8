"""What every figure means (design.md, "How results are counted"), for any weights of the queries.

A figure is a function of the weights that the queries have: ones give its value, resampled groups its interval, and
the share of queries with a match can be set by weights too.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from matcher.arrays import AnyArray, BoolArray, F64Array, I64Array
from matcher.evaluation.clusters import b_cubed_by_offer, united
from matcher.evaluation.decisions import TopDecisions

#: From weights f64[b, n] of n queries to the figure under each row of them, f64[b]; NaN: there is nothing to share.
Weighing = Callable[[F64Array], F64Array]

#: Weights are shares whose sums round: what is reached exactly must not seem missed.
_ROUNDING = 1 - 1e-12


class Figure(Struct, frozen=True):
    """A figure over n queries. `carriers` bool[n]: the queries that it is a share of."""

    weigh: Weighing
    carriers: BoolArray

    def value(self) -> float | None:
        """The figure itself; None where there is nothing to share."""
        return number(self.weigh(np.ones((1, len(self.carriers))))[0])


def number(value: float) -> float | None:
    """None for NaN, which JSON has no word for."""
    return None if math.isnan(value) else float(value)


def share(part: BoolArray | F64Array, whole: BoolArray) -> Figure:
    """The weight of `part` [n] in the weight of `whole` [n]."""
    top, bottom = part.astype(np.float64), whole.astype(np.float64)

    def weigh(weights: F64Array) -> F64Array:
        with np.errstate(invalid="ignore"):
            result: F64Array = (weights @ top) / (weights @ bottom)
        return result

    return Figure(weigh, whole)


class Sweep:
    """All thresholds at once, from strict to loose; tied scores enter together. A score of -inf is never accepted."""

    def __init__(self, score: F64Array, right: BoolArray) -> None:
        order = np.argsort(-score, kind="stable")
        self.order = order[score[order] > -np.inf]
        self.right = right[self.order].astype(np.float64)
        sorted_scores = score[self.order]
        ends = np.flatnonzero(sorted_scores[1:] != sorted_scores[:-1])
        self.ends: AnyArray = np.append(ends, len(self.order) - 1) if len(self.order) else ends
        #: f64[t], falling
        self.thresholds: F64Array = sorted_scores[self.ends]
        self._last: tuple[F64Array, tuple[F64Array, F64Array]] | None = None

    def counts(self, weights: F64Array) -> tuple[F64Array, F64Array]:
        """Of weights f64[b, n]: the weight accepted and the weight right at each threshold, f64[b, t] each.

        The last answer is kept: several figures of one sweep are drawn with the very same array of weights.
        """
        if self._last is None or self._last[0] is not weights:
            sorted_weights = weights[:, self.order]
            right = np.cumsum(sorted_weights * self.right, axis=1)[:, self.ends]
            accepted = np.cumsum(sorted_weights, axis=1, out=sorted_weights)[:, self.ends]
            self._last = weights, (accepted, right)
        return self._last[1]

    def area(self, weights: F64Array, whole: F64Array) -> F64Array:
        """The area under precision over right ÷ `whole` (f64[b]), step-wise (no interpolation)."""
        accepted, right = self.counts(weights)
        steps = np.diff(right, axis=1, prepend=0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            # No weight was accepted yet: nothing right either, so no step.
            precision = np.where(accepted > 0, right / accepted, 0.0)
            result: F64Array = (steps * precision).sum(axis=1) / whole
        return result


def sweep_of(top: TopDecisions) -> Sweep:
    """The thresholds of some decisions, by score; for figures that share it."""
    return Sweep(top.score, top.right)


def aucpr(top: TopDecisions, sweep: Sweep | None = None) -> Figure:
    """Area under precision over recall, where recall is right ÷ queries with a match; never above `recall_at(1)`."""
    swept, matched = sweep or sweep_of(top), top.has_match.astype(np.float64)
    return Figure(lambda weights: swept.area(weights, weights @ matched), top.has_match)


def average_precision(top: TopDecisions, sweep: Sweep | None = None) -> Figure:
    """scikit-learn's `average_precision_score` over queries, "the top candidate is right" as the label."""
    swept, right = sweep or sweep_of(top), top.right.astype(np.float64)
    return Figure(lambda weights: swept.area(weights, weights @ right), np.ones(len(top), np.bool_))


def recall_at(top: TopDecisions, places: int) -> Figure:
    """Queries with a right candidate among the first `places` ÷ queries with a match."""
    return share((top.place >= 0) & (top.place < places), top.has_match)


def reaches(top: TopDecisions, threshold: float) -> BoolArray:
    """bool[n]: whose top candidate has at least this confidence."""
    return (top.candidate >= 0) & (top.confidence >= threshold)


def accepted(top: TopDecisions, threshold: float) -> BoolArray:
    """bool[n]: which decisions are matches at a threshold of the confidence."""
    taken = reaches(top, threshold)
    return taken if top.held is None else taken & ~top.held


def accept_precision(top: TopDecisions, threshold: float) -> Figure:
    """Right ÷ accepted."""
    taken = accepted(top, threshold)
    return share(taken & top.right, taken)


def accept_coverage(top: TopDecisions, threshold: float) -> Figure:
    """Accepted ÷ queries."""
    return share(accepted(top, threshold), np.ones(len(top), np.bool_))


def accept_recall(top: TopDecisions, threshold: float) -> Figure:
    """Right and accepted ÷ queries with a match."""
    return share(accepted(top, threshold) & top.right, top.has_match)


def precision_at_recall(top: TopDecisions, recall: float, sweep: Sweep | None = None) -> Figure:
    """The precision of the strictest threshold that reaches the recall; 0 where none does."""
    swept, matched = sweep or sweep_of(top), top.has_match.astype(np.float64)

    def weigh(weights: F64Array) -> F64Array:
        taken, right = swept.counts(weights)
        enough = (right >= recall * (weights @ matched)[:, None] * _ROUNDING) & (taken > 0)
        return _at_first(_divided(right, taken), enough)

    # Where no threshold reaches the recall, no binomial bound applies.
    return Figure(weigh, np.zeros(len(top), np.bool_))


def recall_at_precision(top: TopDecisions, precision: float, sweep: Sweep | None = None) -> Figure:
    """The greatest recall of a threshold whose precision is at least this; 0 where none has it."""
    swept, matched = sweep or sweep_of(top), top.has_match.astype(np.float64)

    def weigh(weights: F64Array) -> F64Array:
        taken, right = swept.counts(weights)
        good = (right >= precision * taken * _ROUNDING) & (taken > 0)
        best = np.where(good, right, 0.0).max(axis=1, initial=0.0)
        return _divided(best, weights @ matched)

    return Figure(weigh, top.has_match)


def b_cubed_figures(top: TopDecisions, threshold: float, products: I64Array) -> tuple[Figure, Figure]:
    """B³ precision and recall of the products that the accepted matches make of the whole dataset.

    `products` i64[dataset], -1 where unknown: those offers can link others, but only the queries are counted.
    """
    taken = accepted(top, threshold)
    assigned = united(len(products), top.query[taken], top.candidate[taken])
    precision, recall = b_cubed_by_offer(assigned[top.query], products[top.query])
    everyone = np.ones(len(top), np.bool_)
    return share(precision, everyone), share(recall, everyone)


def difference(one: Figure, other: Figure) -> Figure:
    """How much greater `one` is, over the same queries: under resampling both see the same ones."""
    if len(one.carriers) != len(other.carriers):
        raise ValueError(f"expected figures of the same queries, got {len(one.carriers)} and {len(other.carriers)}")
    return Figure(lambda weights: one.weigh(weights) - other.weigh(weights), np.zeros(len(one.carriers), np.bool_))


class Curve(Struct, frozen=True, kw_only=True):
    """Precision, recall and coverage (f64[t] each) at every threshold f64[t], from strict to loose."""

    threshold: F64Array
    precision: F64Array
    recall: F64Array
    coverage: F64Array


def curve(top: TopDecisions, weights: Sequence[float] | F64Array | None = None) -> Curve:
    """The precision-recall curve; `weights` f64[n], ones by default."""
    given = np.ones((1, len(top))) if weights is None else np.asarray(weights, np.float64)[None]
    sweep = Sweep(top.score, top.right)
    taken, right = sweep.counts(given)
    return Curve(
        threshold=sweep.thresholds,
        precision=_divided(right, taken)[0],
        recall=_divided(right[0], given[0] @ top.has_match),
        coverage=_divided(taken[0], given.sum()),
    )


def _divided(part: F64Array, whole: F64Array | float) -> F64Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        result: F64Array = np.divide(part, whole)
    return result


def _at_first(values: F64Array, mask: BoolArray) -> F64Array:
    """Of each row of `values` [b, t] the one where `mask` first holds, else 0."""
    if not values.shape[1]:
        return np.zeros(len(values))
    first = mask.argmax(axis=1)
    rows = np.arange(len(values))
    return np.where(mask[rows, first], values[rows, first], 0.0)
