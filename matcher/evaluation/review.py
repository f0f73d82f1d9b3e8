"""What people add: the queries shown to them, and what a validator of known quality makes of them (paper, "People in
the loop")."""

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from matcher.arrays import BoolArray
from matcher.evaluation.decisions import TopDecisions
from matcher.evaluation.figures import Figure, accepted, reaches, share

#: Candidates that a reviewer is shown.
SHOWN = 3


class Validator(Struct, frozen=True, kw_only=True):
    """A reviewer: `likelihood_ratio` is TPR / FPR, `true_positive_rate` the share of right candidates recognised.

    The ratio is the paper's crowd of three votes: it made precision 0.285 into 0.937. The paper does not state the
    rate; 0.9 is our assumption.
    """

    likelihood_ratio: Annotated[float, Meta(gt=0)] = 37.3
    true_positive_rate: Annotated[float, Meta(gt=0, le=1)] = 0.9

    def precision_after(self, before: float) -> float:
        """The precision of what the validator confirms, where `before` is the share of rows with a right candidate."""
        if not 0 <= before <= 1:
            raise ValueError(f"expected a precision from 0 to 1, got {before}")
        if before == 0:
            return 0.0
        return 1 / (1 + (1 / before - 1) / self.likelihood_ratio)


def in_review(top: TopDecisions, accept: float, review: float) -> BoolArray:
    """bool[n]: which decisions a person is asked about: in the band of confidence, or held back above it."""
    return reaches(top, review) & ~accepted(top, accept)


def found_in_review(top: TopDecisions, accept: float, review: float) -> BoolArray:
    """bool[n]: which of those have a right candidate among the ones shown."""
    return in_review(top, accept, review) & (top.place >= 0) & (top.place < SHOWN)


def recall_with_review(top: TopDecisions, accept: float, review: float, recognised: float = 1.0) -> Figure:
    """Right accepted, and right among the shown, ÷ queries with a match. `recognised`: the share of the shown ones that
    people find; 1 is the upper bound, a validator's `true_positive_rate` the model."""
    taken = (accepted(top, accept) & top.right).astype(np.float64)
    return share(taken + recognised * found_in_review(top, accept, review), top.has_match)


class ReviewBand(Struct, frozen=True, kw_only=True):
    """What goes to people and what comes back. `precision_before`: shown rows with a right candidate ÷ shown rows."""

    threshold: float
    per_thousand: float
    precision_before: float | None
    precision_after: float | None
    recall_upper_bound: float | None
    recall_with_validator: float | None
    validator: Validator


def review_band(top: TopDecisions, accept: float, review: float, validator: Validator) -> ReviewBand:
    """The band of confidence from `review` up to `accept`, and what is held back above it.

    `per_thousand`: reviews per 1,000 queries.
    """
    asked = in_review(top, accept, review)
    before = share(found_in_review(top, accept, review), asked).value()
    recognised = validator.true_positive_rate
    return ReviewBand(
        threshold=review,
        per_thousand=1000 * float(asked.mean()),
        precision_before=before,
        precision_after=None if before is None else validator.precision_after(before),
        recall_upper_bound=recall_with_review(top, accept, review).value(),
        recall_with_validator=recall_with_review(top, accept, review, recognised).value(),
        validator=validator,
    )
