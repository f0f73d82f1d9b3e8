"""A logistic regression on the evidence of pairs: what trees have to beat."""

from collections.abc import Callable

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matcher.arrays import BoolArray, F32Array, F64Array


def fit_logistic(evidence: F32Array, same: BoolArray) -> Callable[[F32Array], F64Array]:
    """Log odds f64[m] from evidence f32[m, names]; what is missing counts as its median and has a weight of its own.

    ValueError where all pairs are the same, or none is.
    """
    if not 0 < same.sum() < len(same):
        raise ValueError(f"expected pairs of the same and of different products, got {int(same.sum())} of {len(same)}")
    regression = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True), StandardScaler(), LogisticRegression(max_iter=1_000)
    )
    regression.fit(evidence, same)
    return lambda asked: np.asarray(regression.decision_function(asked), np.float64)
