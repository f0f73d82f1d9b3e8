"""From datasets to a bundle: learn on most sibling groups, calibrate the top-1 decision on the others.

Nothing accepts automatically yet: `thresholds.accept` is None until a threshold is certified on products used for
nothing else. The bundle sends to people what a review budget allows.
"""

from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct
from sklearn.linear_model import LogisticRegression

from matcher.arrays import BoolArray, F64Array
from matcher.evaluation.decisions import ask
from matcher.evaluation.match_rates import draw
from matcher.evaluation.visibility import visibility_of
from matcher.model.bundle import Bundle, Logistic, Search, Thresholds
from matcher.model.projection import project_arrays
from matcher.training.dataset import Dataset
from matcher.training.labelled import Unlearnable
from matcher.training.options import ProjectionOptions
from matcher.training.projection import Fitted, Reached, fit_projection
from matcher.training.splits import held_out

#: Random mixtures at the declared match rate from which calibration and review threshold are taken.
DRAWS = 25


class Recipe(Struct, frozen=True, kw_only=True):
    """How a bundle is made. `held_out`: the share of offers, by sibling groups, that calibrates and teaches nothing.

    `match_rate`: the share of offers with a match, in the stream the bundle is for. `reviews`: per 1,000 offers.
    """

    projection: ProjectionOptions = ProjectionOptions()
    held_out: Annotated[float, Meta(gt=0, lt=1)] = 0.3
    match_rate: Annotated[float, Meta(gt=0, le=1)] = 0.1
    reviews: Annotated[float, Meta(ge=0, le=1000)] = 100.0
    exclude_own_seller: bool = True
    seed: int = 0


class Trained(Struct, frozen=True, kw_only=True):
    """The bundle, not yet signed, what it learned from, and how many decisions calibrated it."""

    bundle: Bundle
    fitted: Fitted
    calibrated_on: int


def train(
    datasets: Sequence[Dataset], name: str, recipe: Recipe, on_progress: Callable[[Reached], None] = lambda _: None
) -> Trained:
    """Trains and calibrates. Raises `Unlearnable` where the datasets hold too little for either."""
    if not datasets:
        raise Unlearnable("expected at least one dataset to learn from")
    out = [_held_out(dataset, recipe) for dataset in datasets]
    kept = [dataset.take(np.flatnonzero(~rows)) for dataset, rows in zip(datasets, out, strict=True)]
    options = msgspec.structs.replace(
        recipe.projection, same_seller="no_positives" if recipe.exclude_own_seller else recipe.projection.same_seller
    )
    fitted = fit_projection(kept, options, on_progress)
    bundle = Bundle(
        name=name,
        trained=True,
        note=f"trained on {', '.join(dataset.name for dataset in datasets)}; accepts nothing automatically: "
        "no threshold is certified",
        encoder=datasets[0].encoder,
        projection=fitted.projection,
        calibration=Logistic(slope=1.0, intercept=0.0),
        thresholds=Thresholds(accept=None, review=0.0, margin=0.0),
        search=Search(exclude_own_seller=recipe.exclude_own_seller),
        match_rate=recipe.match_rate,
        network=fitted.network,
    )
    scores, right = _decisions(
        [dataset.take(np.flatnonzero(rows)) for dataset, rows in zip(datasets, out, strict=True)], bundle, recipe
    )
    calibration = _logistic(scores, right)
    return Trained(
        bundle=msgspec.structs.replace(
            bundle, calibration=calibration, thresholds=_thresholds(scores, calibration, recipe.reviews)
        ),
        fitted=fitted,
        calibrated_on=len(scores) // DRAWS,
    )


def _held_out(dataset: Dataset, recipe: Recipe) -> BoolArray:
    try:
        return held_out(dataset, recipe.held_out, "group", recipe.seed)
    except ValueError as error:
        raise Unlearnable(f"{dataset.name}: {error}; one part calibrates, the other is learned from") from None


def _decisions(datasets: Sequence[Dataset], bundle: Bundle, recipe: Recipe) -> tuple[F64Array, BoolArray]:
    """Top-1 scores, and whether they were right, at the declared match rate, over many random mixtures."""
    random = np.random.default_rng(recipe.seed)
    scores, right = [], []
    for dataset in datasets:
        visible = visibility_of(dataset, exclude_own_seller=recipe.exclude_own_seller, stream=False)
        try:
            answers = ask(
                dataset, project_arrays(dataset.features, bundle), visible, k=max(3, bundle.search.candidates)
            )
            drawn = [draw(answers, recipe.match_rate, random) for _ in range(DRAWS)]
        except ValueError as error:
            raise Unlearnable(f"{dataset.name}: cannot calibrate on the offers held out: {error}") from None
        for top in drawn:
            answered = top.candidate >= 0
            scores.append(top.score[answered].astype(np.float64))
            right.append(top.right[answered])
    return np.concatenate(scores), np.concatenate(right)


def _logistic(scores: F64Array, right: BoolArray) -> Logistic:
    if right.all() or not right.any():
        kind = "right" if len(right) and right.all() else "wrong"
        raise Unlearnable(f"expected right and wrong decisions among the {len(right)} that calibrate, all are {kind}")
    model = LogisticRegression(C=1e6, max_iter=1_000).fit(scores[:, None], right)
    slope = float(model.coef_[0, 0])
    if slope <= 0:
        raise Unlearnable("expected higher scores to be right more often on the offers held out: nothing was learned")
    return Logistic(slope=slope, intercept=float(model.intercept_[0]))


def _thresholds(scores: F64Array, calibration: Logistic, reviews: float) -> Thresholds:
    """Reviews the best scores that the budget allows."""
    if reviews == 0:
        return Thresholds(accept=None, review=1.0, margin=0.0)
    edge = float(np.quantile(scores, max(0.0, 1.0 - reviews / 1000)))
    z = calibration.slope * edge + calibration.intercept
    return Thresholds(accept=None, review=float(1 / (1 + np.exp(-z))), margin=0.0)
