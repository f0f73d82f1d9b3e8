"""What is kept for calibration and test, and the test of a bundle on products that nothing was learned from."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from matcher.evaluation.decisions import Answers, TopDecisions
from matcher.model.calibration import Calibration, probabilities
from matcher.model.promise import Promise
from matcher.training.calibration import Sample
from matcher.training.dataset import Dataset
from matcher.training.labelled import Unlearnable
from matcher.training.splits import dataset_groups, held_out, product_labels
from matcher.training.thresholds import RESERVE, Aim, accept_grid, certify, independent


class Part(Struct, frozen=True, kw_only=True):
    """Offers of one table: those that calibrate, and those that test what came out. Sibling groups are whole."""

    calibrate: Dataset
    test: Dataset


def divided(dataset: Dataset, seed: int) -> Part:
    """Half of the sibling groups for each purpose. Raises `Unlearnable` where there are fewer than two."""
    try:
        out = held_out(dataset, 0.5, "group", seed)
    except ValueError as error:
        raise Unlearnable(f"{dataset.name}: {error}; half of them calibrates, the other half tests") from None
    return Part(calibrate=dataset.take(np.flatnonzero(~out)), test=dataset.take(np.flatnonzero(out)))


def keep_apart(datasets: Sequence[Dataset], aim: Aim, share: float, seed: int) -> tuple[list[Dataset], list[Part]]:
    """What to learn from, and parts to calibrate and test with.

    A share of the sibling groups is kept apart where it could certify something even in the best case, in which every
    offer with a match is accepted and right; from smaller tables everything is learned, since keeping anything apart
    would cost accuracy and buy nothing. Decided by counts alone, before anything is scored.
    """
    learned_from, parts = [], []
    for dataset in datasets:
        groups = len(np.unique(dataset_groups(dataset, product_labels(dataset))))
        if groups * share / 2 * aim.match_rate < RESERVE * aim.needed:
            learned_from.append(dataset)
            continue
        out = held_out(dataset, share, "group", seed)
        learned_from.append(dataset.take(np.flatnonzero(~out)))
        parts.append(divided(dataset.take(np.flatnonzero(out)), seed))
    return learned_from, parts


def certificate(
    tests: Sequence[tuple[Dataset, Answers]], calibration: Calibration, sample: Sample, aim: Aim, seed: int
) -> Promise:
    """Tests thresholds that the calibration's `sample` suggests, on the answers of offers kept for the test.

    Without any such offers nothing is certified, and the promise says so. Raises `Unlearnable` where too few of them
    have a match for the declared rate.
    """
    try:
        drawn = [_independent(dataset, answers, calibration, aim, seed) for dataset, answers in tests]
    except ValueError as error:
        raise Unlearnable(f"cannot test a threshold: {error}") from None
    if not drawn:
        return certify(_none(), (), aim, 0)
    decisions = drawn[0]
    for more in drawn[1:]:
        decisions = decisions.followed_by(more)
    grid = accept_grid(probabilities(sample.score, calibration), sample.weight, len(decisions), aim)
    return certify(decisions, grid, aim, max(len(dataset) for dataset, _ in tests))


def _independent(dataset: Dataset, answers: Answers, calibration: Calibration, aim: Aim, seed: int) -> TopDecisions:
    groups = dataset_groups(dataset, product_labels(dataset))[answers.top.query]
    drawn = independent(answers, groups, aim.match_rate, seed)
    confidence = np.full(len(drawn), -np.inf)
    answered = drawn.candidate >= 0
    confidence[answered] = probabilities(drawn.score[answered], calibration)
    return replace(drawn, confidence=confidence)


def _none() -> TopDecisions:
    rows, flags = np.empty(0, np.int64), np.empty(0, np.bool_)
    scores = np.empty(0, np.float64)
    return TopDecisions(
        query=rows, candidate=rows, score=scores, confidence=scores, right=flags, has_match=flags, place=rows
    )
