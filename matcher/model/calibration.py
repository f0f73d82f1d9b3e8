"""From the final score of the best candidate to the probability that it is the same product."""

import bisect
import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from matcher.arrays import AnyArray, F64Array
from matcher.model.kinds import Share


class Logistic(Struct, frozen=True, kw_only=True, tag="logistic", tag_field="kind"):
    """probability = 1 / (1 + exp(-(slope · score + intercept)))."""

    slope: Annotated[float, Meta(gt=0)]
    intercept: float


class Piecewise(Struct, frozen=True, kw_only=True, tag="piecewise", tag_field="kind"):
    """Straight lines between knots; below the first and above the last score the probability stays as it is there.

    `scores` ascend strictly, `probabilities` never descend. ValueError where they do not.
    """

    scores: Annotated[tuple[float, ...], Meta(min_length=2, max_length=256)]
    probabilities: Annotated[tuple[Share, ...], Meta(min_length=2, max_length=256)]

    def __post_init__(self) -> None:
        if len(self.scores) != len(self.probabilities):
            raise ValueError(f"expected a probability a knot, got {len(self.probabilities)} for {len(self.scores)}")
        if not np.isfinite(self.scores).all() or (np.diff(self.scores) <= 0).any():
            raise ValueError("expected the scores of the knots to be finite and to ascend")
        if (np.diff(self.probabilities) < 0).any():
            raise ValueError("expected the probabilities of the knots never to descend")


Calibration = Logistic | Piecewise


def probability(score: float, calibration: Calibration) -> float:
    """Between 0 and 1, and never lower for a higher score; never overflows."""
    if isinstance(calibration, Piecewise):
        return _between(score, calibration.scores, calibration.probabilities)
    z = calibration.slope * score + calibration.intercept
    if z >= 0:
        return 1.0 / (1.0 + math.exp(-z))
    return math.exp(z) / (1.0 + math.exp(z))


def _between(score: float, scores: tuple[float, ...], probabilities: tuple[float, ...]) -> float:
    """Never above the knot on the right, where rounding would put a score just before it, nor below the left one."""
    right = bisect.bisect_left(scores, score)
    if right == 0 or right == len(scores):
        return probabilities[max(right - 1, 0)]
    low, high = probabilities[right - 1], probabilities[right]
    share = (score - scores[right - 1]) / (scores[right] - scores[right - 1])
    return min(max(low + share * (high - low), low), high)


def probabilities(scores: AnyArray | Sequence[float], calibration: Calibration) -> F64Array:
    """f64[n] for scores f64[n], each the same as `probability` gives for it."""
    return np.array([probability(float(score), calibration) for score in scores], np.float64)
