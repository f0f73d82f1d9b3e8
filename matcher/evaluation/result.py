"""The figures of one evaluation, flat enough for one JSON object."""

from typing import Literal

from msgspec import Struct

from matcher.evaluation.domains import DomainFigures
from matcher.evaluation.misses import Misses
from matcher.evaluation.pairs import PairFigures
from matcher.evaluation.review import ReviewBand

Mode = Literal["all", "stream"]


class RatePoint(Struct, frozen=True, kw_only=True):
    """The figures where a share `match_rate` of the queries has a match, with bounds."""

    match_rate: float
    aucpr: float | None
    aucpr_low: float | None
    aucpr_high: float | None
    accept_precision: float | None
    accept_precision_low: float | None
    accept_precision_high: float | None
    accept_coverage: float | None
    accept_coverage_low: float | None
    accept_coverage_high: float | None
    recall_at_precision_99: float | None
    recall_at_precision_99_low: float | None
    recall_at_precision_99_high: float | None
    recall_at_precision_95: float | None
    recall_at_precision_95_low: float | None
    recall_at_precision_95_high: float | None


class Point(Struct, frozen=True, kw_only=True):
    """A point of the curve: the `value` where the other figure reaches `at`, None where it never does. The threshold is
    chosen on these very queries, so nothing is promised."""

    at: float
    value: float | None
    value_low: float | None
    value_high: float | None


class Evaluation(Struct, frozen=True, kw_only=True):
    """All figures of a dataset under a model; a share of nothing is None.

    `_low` and `_high` bound the 95 % interval from a bootstrap over `groups` sibling groups. `accept_threshold`: the
    probability, or without calibration the score, from which on a match is accepted; None where no threshold is known.
    `candidate_recall`: a right offer among the candidates, bounds all re-ranking. `recall_lost_to_blocking`: queries
    with a match all of whose partners are blocked ÷ queries with a match, or would be if not `in_blocks`; None where no
    blocks were asked about. `held_back`: decisions that reach the threshold and go to people all the same: product
    codes contradict each other, or another product is nearly as good. `recall_with_review` is an upper bound; `review`
    has the validator model. `match_rate_promised`: the share of queries with a match that the threshold holds for.
    """

    dataset: str
    mode: Mode
    fingerprint: str
    queries: int
    queries_with_match: int
    index_size: int
    groups: int
    candidates: int
    excludes_own_seller: bool
    in_blocks: bool
    aucpr: float | None
    aucpr_low: float | None
    aucpr_high: float | None
    average_precision: float | None
    average_precision_low: float | None
    average_precision_high: float | None
    recall_at_1: float | None
    recall_at_1_low: float | None
    recall_at_1_high: float | None
    recall_at_3: float | None
    recall_at_3_low: float | None
    recall_at_3_high: float | None
    candidate_recall: float | None
    candidate_recall_low: float | None
    candidate_recall_high: float | None
    recall_lost_to_blocking: float | None
    recall_lost_to_blocking_low: float | None
    recall_lost_to_blocking_high: float | None
    accept_threshold: float | None
    match_rate_promised: float | None
    accepted: int | None
    accepted_right: int | None
    held_back: int | None
    accept_precision: float | None
    accept_precision_low: float | None
    accept_precision_high: float | None
    accept_coverage: float | None
    accept_coverage_low: float | None
    accept_coverage_high: float | None
    accept_recall: float | None
    accept_recall_low: float | None
    accept_recall_high: float | None
    b3_precision: float | None
    b3_precision_low: float | None
    b3_precision_high: float | None
    b3_recall: float | None
    b3_recall_low: float | None
    b3_recall_high: float | None
    recall_with_review: float | None
    recall_with_review_low: float | None
    recall_with_review_high: float | None
    review: ReviewBand | None
    pairs: PairFigures | None
    precision_at_recall: tuple[Point, ...]
    recall_at_precision: tuple[Point, ...]
    match_rates: tuple[RatePoint, ...]
    domains: tuple[DomainFigures, ...]
    misses: Misses
