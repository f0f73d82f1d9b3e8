"""From datasets to a bundle: learn, calibrate the top-1 decision, certify a threshold or say why there is none.

What is calibrated and tested are decisions on products that nothing was learned from: those of tables that are given
for it, half of their sibling groups for the calibration and half for the test; else, for the calibration, each fold as
what was learned from the other folds decides it. The bundle that is written is the one that was tested.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from matcher.arrays import I64Array
from matcher.evaluation.decisions import Answers
from matcher.evaluation.pairs import best_threshold
from matcher.evaluation.review import Validator
from matcher.model.bundle import Bundle, Search, Thresholds
from matcher.model.calibration import probabilities
from matcher.model.promise import Promise, TrainingFacts
from matcher.training.calibration import Chosen, Sample, by_hiding, fit_calibration, joined
from matcher.training.certificate import certificate, divided, keep_apart
from matcher.training.dataset import Dataset
from matcher.training.drafts import Doing, Draft, Held, Progress, draft, embedding_of, scorer_of
from matcher.training.facts import out_of_fold_figures, table_facts
from matcher.training.labelled import Unlearnable
from matcher.training.options import ProjectionOptions
from matcher.training.projection import Fitted
from matcher.training.splits import dataset_groups, product_labels
from matcher.training.thresholds import Aim, ReviewChoice, review_threshold
from matcher.verifier.training import VerifierOptions

__all__ = ["Doing", "Recipe", "Trained", "train"]


class Recipe(Struct, frozen=True, kw_only=True):
    """How a bundle is made. `match_rate`: the share of offers with a match, in the stream the bundle is for.

    `verifier` None: the score is the inner product of embeddings. `aim`: the promise of the accept threshold. `reviews`
    per 1,000 offers that people can do, and the precision `goal` of what they confirm. `held_out`: the share of sibling
    groups that is kept for calibration and test where a table is large enough to certify something with it. `folds`:
    for what must be learned without the offers that it is used on.
    """

    projection: ProjectionOptions = ProjectionOptions()
    verifier: VerifierOptions | None = VerifierOptions()
    aim: Aim = Aim()
    reviews: Annotated[float, Meta(ge=0, le=1000)] = 100.0
    goal: Annotated[float, Meta(gt=0, lt=1)] = 0.9
    held_out: Annotated[float, Meta(gt=0, lt=1)] = 0.4
    folds: Annotated[int, Meta(ge=2, le=20)] = 3
    search: Search = Search()
    validator: Validator = Validator()
    seed: int = 0


class Trained(Struct, frozen=True, kw_only=True):
    """The bundle, not yet signed, and how it came about. `calibrated_on`: decisions; `calibration_losses`: of both
    kinds, on groups not fitted to."""

    bundle: Bundle
    fitted: Fitted
    calibrated_on: int
    calibration: Chosen
    review: ReviewChoice


def train(
    datasets: Sequence[Dataset],
    name: str,
    recipe: Recipe,
    calibrating: Sequence[Dataset] = (),
    on_progress: Progress = lambda _: None,
) -> Trained:
    """Trains on `datasets`; nothing is learned from those `calibrating`. Raises `Unlearnable` where they hold too
    little."""
    if not datasets:
        raise Unlearnable("expected at least one dataset to learn from")
    learned_from, parts = keep_apart(datasets, recipe.aim, recipe.held_out, recipe.seed)
    parts += [divided(dataset, recipe.seed) for dataset in calibrating]
    options = msgspec.structs.replace(
        recipe.projection,
        same_seller="no_positives" if recipe.search.exclude_own_seller else recipe.projection.same_seller,
    )
    drafted = draft(
        learned_from,
        name,
        projection=options,
        verifier=recipe.verifier,
        search=recipe.search,
        match_rate=recipe.aim.match_rate,
        folds=recipe.folds,
        seed=recipe.seed,
        on_progress=on_progress,
    )
    out_of_fold = [held.answers(recipe.search) for fold in drafted.folds for held in fold]
    sample = _sample(drafted, out_of_fold, [part.calibrate for part in parts], recipe)
    chosen = fit_calibration(sample, seed=recipe.seed)
    tests = [(part.test, _answers(part.test, drafted.bundle)) for part in parts]
    promise = certificate(tests, chosen.calibration, sample, recipe.aim, recipe.seed)
    review = review_threshold(
        probabilities(sample.score, chosen.calibration),
        sample.weight,
        promise.accept,
        validator=recipe.validator,
        per_thousand=recipe.reviews,
        goal=recipe.goal,
    )
    bundle = msgspec.structs.replace(
        drafted.bundle,
        note=_note(promise),
        calibration=chosen.calibration,
        thresholds=Thresholds(accept=promise.accept, review=review.threshold, margin=0.0),
        pair_threshold=_pair_threshold(drafted),
        promise=promise,
        training=TrainingFacts(
            tables=(*table_facts(datasets, "learning"), *table_facts(calibrating, "calibration")),
            seed=recipe.seed,
            metrics=out_of_fold_figures(out_of_fold),
        ),
    )
    return Trained(bundle=bundle, fitted=drafted.fitted, calibrated_on=len(sample), calibration=chosen, review=review)


def _answers(dataset: Dataset, bundle: Bundle) -> Answers:
    """What the draft answers to offers that it has not seen."""
    return Held(dataset=dataset, embed=embedding_of(bundle), scorer=scorer_of(bundle)).answers(bundle.search)


def _sample(drafted: Draft, out_of_fold: Sequence[Answers], kept: Sequence[Dataset], recipe: Recipe) -> Sample:
    """Decisions at the declared match rate: of the tables kept for it, else of each fold by what the others taught."""
    held = [each.dataset for fold in drafted.folds for each in fold]
    asked = [(dataset, _answers(dataset, drafted.bundle)) for dataset in kept] or list(
        zip(held, out_of_fold, strict=True)
    )
    try:
        return joined(
            [
                by_hiding(answers, _groups(dataset)[answers.top.query], recipe.aim.match_rate)
                for dataset, answers in asked
            ]
        )
    except ValueError as error:
        raise Unlearnable(f"cannot calibrate: {error}") from None


def _groups(dataset: Dataset) -> I64Array:
    return dataset_groups(dataset, product_labels(dataset))


def _pair_threshold(drafted: Draft) -> float | None:
    """The score with the best F1 on pairs whose fold taught nothing; None without a verifier."""
    if drafted.pairs is None or drafted.pair_scores is None:
        return None
    return best_threshold(drafted.pair_scores, drafted.pairs.same)


def _note(promise: Promise) -> str:
    if promise.accept is None:
        return f"accepts nothing automatically: {promise.why}"
    return (
        f"of its automatic matches at least a share {promise.target} is right, at {promise.confidence:.0%} confidence, "
        f"where a share {promise.match_rate} of the offers has a match among some {promise.index_size:,} known ones"
    )
