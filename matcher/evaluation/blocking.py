"""Brand blocks as a rule of an evaluation: what is left out is what a matcher with such a bundle leaves out."""

from collections.abc import Sequence

import numpy as np

from matcher.arrays import BoolArray, I64Array
from matcher.brands import BrandRule
from matcher.evaluation.visibility import Allowed
from matcher.events.offer import Offer


def brand_rule(offers: Sequence[Offer]) -> Allowed:
    """Which of `offers` each may be matched with, by their brands."""
    rule = BrandRule(offers)

    def allowed(queries: I64Array, rows: I64Array) -> BoolArray:
        return np.stack([rule.seen_by(offers[query])[rows] for query in queries.tolist()])

    return allowed
