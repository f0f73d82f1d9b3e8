"""A dataset under a model, all figures at once: all offers against all others, or as a stream."""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from matcher.arrays import F32Array, F64Array, I64Array
from matcher.evaluation import figures as fig
from matcher.evaluation.decisions import Answers, Calibrate, Scorer, ask
from matcher.evaluation.domains import by_domain, domains_of
from matcher.evaluation.figures import Figure
from matcher.evaluation.held import hold_back
from matcher.evaluation.intervals import DRAWS, Estimate, estimates
from matcher.evaluation.match_rates import mixture
from matcher.evaluation.misses import count_misses, lost_to_blocking, misses_by_query
from matcher.evaluation.pairs import PairFigures, pair_figures, pooled
from matcher.evaluation.result import Evaluation, Mode, Point, RatePoint
from matcher.evaluation.review import Validator, recall_with_review, review_band
from matcher.evaluation.visibility import Allowed, Visibility, codes, visibility_of
from matcher.training.dataset import Dataset

MATCH_RATES = (1.0, 0.5, 0.1, 0.01)
RECALL_POINTS = (0.1, 0.25, 0.5, 0.75, 0.9)
PRECISION_POINTS = (0.99, 0.95, 0.9, 0.8, 0.5)


class Model(Struct, frozen=True, kw_only=True):
    """What decides. Without `scorer` the score is the inner product of the embeddings; without `calibrate` thresholds
    are scores. `accept`, `review`: None where the model accepts, or sends to people, nothing. `margin`: a match is
    ambiguous when a candidate of another product would be accepted too and is less than this behind. `pair_threshold`:
    of the score, from other data. `match_rate`: the share of queries with a match that the thresholds hold for.
    `allowed`: a rule of blocks, None where all is searched; `considered`: one that is not applied, to tell its loss."""

    fingerprint: str = ""
    scorer: Scorer | None = None
    calibrate: Calibrate | None = None
    accept: float | None = None
    review: float | None = None
    margin: float = 0.0
    match_rate: float | None = None
    pair_threshold: float | None = None
    candidates: int = 15
    exclude_own_seller: bool = True
    allowed: Allowed | None = None
    considered: Allowed | None = None


class Evaluated(Struct, frozen=True, kw_only=True):
    """The figures and what they were counted from; `miss` i64[n]: a `Miss` for each query."""

    evaluation: Evaluation
    dataset: Dataset
    model: Model
    answers: Answers
    visible: Visibility
    groups: I64Array
    miss: I64Array


def evaluate(
    dataset: Dataset,
    embeddings: F32Array,
    model: Model,
    *,
    groups: I64Array,
    mode: Mode = "all",
    domains: Mapping[str, Sequence[str | None]] | None = None,
    validator: Validator | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    device: str = "cpu",
) -> Evaluated:
    """Embeddings f32[n, d] and sibling groups i64[n] of the offers; in a stream they arrive in the order of their rows.

    `domains`: further values for each offer, by kind (language, say), beside seller and currency. Raises `ValueError`
    where no offer has a product, or the arrays are not of the dataset.
    """
    if len(groups) != len(dataset):
        raise ValueError(f"expected a group for each of the {len(dataset)} offers, got {len(groups)}")
    visible = visibility_of(
        dataset, exclude_own_seller=model.exclude_own_seller, stream=mode == "stream", allowed=model.allowed
    )
    answers = ask(
        dataset,
        embeddings,
        visible,
        k=model.candidates,
        scorer=model.scorer,
        calibrate=model.calibrate,
        device=device,
    )
    products = codes(dataset.products)
    if model.accept is not None:
        answers = hold_back(
            answers,
            dataset.offers,
            products,
            visible,
            accept=model.accept,
            margin=model.margin,
            calibrate=model.calibrate,
        )
    top = answers.top
    asked = groups[top.query]
    # Without a threshold nothing is accepted, and a miss is a wrong answer at the top.
    kinds = misses_by_query(answers, visible, products, -np.inf if model.accept is None else model.accept)
    wanted = _figures(answers, model, products)
    rule = model.allowed or model.considered
    if rule is not None:
        lost = lost_to_blocking(rule, answers, visible, products, among=top.has_match)
        wanted["recall_lost_to_blocking"] = fig.share(lost, top.has_match)
    found = estimates(wanted, asked, draws=draws, seed=seed)
    taken = None if model.accept is None else fig.accepted(top, model.accept)
    evaluation = Evaluation(
        dataset=dataset.name,
        mode=mode,
        fingerprint=model.fingerprint,
        queries=len(top),
        queries_with_match=int(top.has_match.sum()),
        index_size=len(dataset),
        groups=len(np.unique(asked)),
        candidates=model.candidates,
        excludes_own_seller=model.exclude_own_seller and any(dataset.sellers),
        in_blocks=model.allowed is not None,
        accept_threshold=model.accept,
        match_rate_promised=model.match_rate,
        accepted=None if taken is None else int(taken.sum()),
        accepted_right=None if taken is None else int((taken & top.right).sum()),
        held_back=None if top.held is None else int(top.held.sum()),
        review=None
        if model.accept is None or model.review is None
        else review_band(top, model.accept, model.review, validator or Validator()),
        pairs=_pairs(dataset, embeddings, model, groups, draws=draws, seed=seed),
        precision_at_recall=_points(found, "precision at", RECALL_POINTS),
        recall_at_precision=_points(found, "recall at", PRECISION_POINTS),
        match_rates=tuple(_rate_point(found, rate) for rate in MATCH_RATES if top.has_match.any()),
        domains=by_domain(
            top, {**domains_of(dataset), **(domains or {})}, asked, accept=model.accept, draws=draws, seed=seed
        ),
        misses=count_misses(kinds),
        **_bounds(found, SHARES),
    )
    return Evaluated(
        evaluation=evaluation,
        dataset=dataset,
        model=model,
        answers=answers,
        visible=visible,
        groups=groups,
        miss=kinds,
    )


SHARES = (
    "aucpr", "average_precision", "recall_at_1", "recall_at_3", "candidate_recall", "accept_precision",
    "accept_coverage", "accept_recall", "b3_precision", "b3_recall", "recall_with_review", "recall_lost_to_blocking",
)  # fmt: skip
RATE_SHARES = ("aucpr", "accept_precision", "accept_coverage", "recall_at_precision_99", "recall_at_precision_95")


def _figures(answers: Answers, model: Model, products: I64Array) -> dict[str, Figure]:
    """All figures that get an interval, by name: drawn together, so that resampling is paid for once."""
    top = answers.top
    sweep = fig.sweep_of(top)
    wanted = {
        "aucpr": fig.aucpr(top, sweep),
        "average_precision": fig.average_precision(top, sweep),
        "recall_at_1": fig.recall_at(top, 1),
        "recall_at_3": fig.recall_at(top, 3),
        "candidate_recall": fig.recall_at(top, model.candidates),
    }
    wanted |= {f"precision at {share}": fig.precision_at_recall(top, share, sweep) for share in RECALL_POINTS}
    wanted |= {
        f"recall at {precision}": fig.recall_at_precision(top, precision, sweep) for precision in PRECISION_POINTS
    }
    if model.accept is not None:
        wanted["accept_precision"] = fig.accept_precision(top, model.accept)
        wanted["accept_coverage"] = fig.accept_coverage(top, model.accept)
        wanted["accept_recall"] = fig.accept_recall(top, model.accept)
        wanted["b3_precision"], wanted["b3_recall"] = fig.b_cubed_figures(top, model.accept, products)
        if model.review is not None:
            wanted["recall_with_review"] = recall_with_review(top, model.accept, model.review)
    if top.has_match.any():
        for rate in MATCH_RATES:
            wanted |= _at_rate(answers, model, rate)
    return wanted


def _at_rate(answers: Answers, model: Model, rate: float) -> dict[str, Figure]:
    mixed = mixture(answers, rate)
    sweep = fig.sweep_of(mixed.top)
    wanted = {
        "aucpr": fig.aucpr(mixed.top, sweep),
        "recall_at_precision_99": fig.recall_at_precision(mixed.top, 0.99, sweep),
        "recall_at_precision_95": fig.recall_at_precision(mixed.top, 0.95, sweep),
    }
    if model.accept is not None:
        wanted["accept_precision"] = fig.accept_precision(mixed.top, model.accept)
        wanted["accept_coverage"] = fig.accept_coverage(mixed.top, model.accept)
    return {f"{rate} {name}": figure for name, figure in mixed.over_queries(wanted).items()}


def _bounds(found: Mapping[str, Estimate], names: Sequence[str], prefix: str = "") -> dict[str, float | None]:
    """`name`, `name_low` and `name_high` for each name; None for what was not asked."""
    none = Estimate(None, None, None)
    flat: dict[str, float | None] = {}
    for name in names:
        got = found.get(prefix + name, none)
        flat |= {name: got.value, f"{name}_low": got.low, f"{name}_high": got.high}
    return flat


def _rate_point(found: Mapping[str, Estimate], rate: float) -> RatePoint:
    return RatePoint(match_rate=rate, **_bounds(found, RATE_SHARES, f"{rate} "))


def _points(found: Mapping[str, Estimate], prefix: str, at: Sequence[float]) -> tuple[Point, ...]:
    """A figure of 0 means that no threshold reaches the point."""
    reached = [(point, found[f"{prefix} {point}"]) for point in at]
    return tuple(
        Point(at=point, value=e.value, value_low=e.low, value_high=e.high) if e.value else _unreached(point)
        for point, e in reached
    )


def _unreached(at: float) -> Point:
    return Point(at=at, value=None, value_low=None, value_high=None)


def _pairs(
    dataset: Dataset, embeddings: F32Array, model: Model, groups: I64Array, *, draws: int, seed: int
) -> PairFigures | None:
    """Figures of all labelled pairs of the folder together; drawn with the group of their left offer."""
    tables = [table for table in dataset.pairs.values() if len(table.left)]
    if not tables:
        return None
    pairs = pooled(tables)
    if model.scorer is not None:
        score = model.scorer(dataset, pairs.left, pairs.right).astype(np.float64)
    else:
        score = _inner(embeddings, pairs.left, pairs.right)
    return pair_figures(score, pairs.same, groups[pairs.left], threshold=model.pair_threshold, draws=draws, seed=seed)


def _inner(embeddings: F32Array, left: I64Array, right: I64Array) -> F64Array:
    products: F64Array = np.einsum("nd,nd->n", embeddings[left], embeddings[right], dtype=np.float64)
    return products
