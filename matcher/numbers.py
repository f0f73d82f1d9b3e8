"""The numbers of an offer as features: `[n_sizes, log(n_sizes), log(price)]` (paper, "Preprocessing")."""

import math

import numpy as np

from matcher.arrays import F32Array

#: Numbers in the vector.
NUMERIC_DIM = 3


def numeric_vector(n_sizes: float | None, price: float | None) -> F32Array:
    """`f32[3]`, logarithms natural, price in the currency of the offer.

    NaN where a number is missing, not finite or not positive: whoever projects the vector decides what stands for
    "unknown", and a zero here would read as one size, or a price of one.
    """
    sizes, cost = _positive(n_sizes), _positive(price)
    return np.array([sizes, math.log(sizes), math.log(cost)], np.float32)


def _positive(value: float | None) -> float:
    """The value where it is finite and positive, else NaN."""
    if value is None or not math.isfinite(value) or value <= 0:
        return math.nan
    return float(value)
