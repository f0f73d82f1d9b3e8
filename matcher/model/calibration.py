"""From a score to the probability that the best candidate is the same product."""

import math

from matcher.model.bundle import Logistic


def probability(score: float, calibration: Logistic) -> float:
    """The logistic of the score; never overflows."""
    z = calibration.slope * score + calibration.intercept
    if z >= 0:
        return 1.0 / (1.0 + math.exp(-z))
    return math.exp(z) / (1.0 + math.exp(z))
