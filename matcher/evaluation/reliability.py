"""Whether a probability means what it says: of the decisions given about 0.9, were nine in ten right?"""

import math

import numpy as np
from msgspec import Struct

from matcher.arrays import F64Array
from matcher.evaluation.decisions import TopDecisions

#: Two-sided 95 % of the normal distribution.
_Z = 1.959964


class Bin(Struct, frozen=True, kw_only=True):
    """Decisions whose confidence lies in one tenth of the scale: their mean confidence, the share that was right with
    its Wilson interval (1927), and the number of decisions behind it (of weighted ones the effective number)."""

    confidence: float
    right: float
    low: float
    high: float
    count: float


class Reliability(Struct, frozen=True, kw_only=True):
    """The bins that have decisions, and the mean distance of confidence and truth (expected calibration error)."""

    bins: tuple[Bin, ...]
    error: float | None


def reliability(top: TopDecisions, weights: F64Array | None = None, *, bins: int = 10) -> Reliability:
    """Compares `confidence`, a probability, with `right`; `weights` f64[n], ones by default. Queries without any
    candidate are left out. Raises `ValueError` for a confidence outside 0 to 1."""
    answered = top.candidate >= 0
    confidence, right = top.confidence[answered], top.right[answered].astype(np.float64)
    weight = np.ones(len(right)) if weights is None else weights[answered]
    if len(confidence) and not (confidence.min() >= 0 and confidence.max() <= 1):
        raise ValueError("expected confidences from 0 to 1: only probabilities can be compared with the truth")
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    total = np.bincount(place, weight, bins)
    squares = np.bincount(place, weight**2, bins)
    found = []
    distance = 0.0
    for each in np.flatnonzero(total > 0).tolist():
        chosen = place == each
        mean = float(weight[chosen] @ confidence[chosen] / total[each])
        observed = min(1.0, float(weight[chosen] @ right[chosen] / total[each]))
        count = float(total[each] ** 2 / squares[each])
        low, high = _wilson(observed, count)
        found.append(Bin(confidence=mean, right=observed, low=low, high=high, count=count))
        distance += abs(mean - observed) * float(total[each])
    return Reliability(bins=tuple(found), error=distance / float(total.sum()) if found else None)


def _wilson(share: float, count: float) -> tuple[float, float]:
    scale = 1 + _Z**2 / count
    centre = (share + _Z**2 / (2 * count)) / scale
    width = _Z / scale * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return max(0.0, centre - width), min(1.0, centre + width)
