"""Streams of decisions whose true precision is known, for the tests of what is promised about them."""

from collections.abc import Callable

import numpy as np
from msgspec import Struct

from matcher.arrays import BoolArray, F64Array, I64Array
from matcher.evaluation.decisions import Answers, TopDecisions
from matcher.evaluation.retrieval import Candidates
from matcher.training.calibration import Sample
from tests.matcher.evaluation.making import tops


class World(Struct, frozen=True):
    """Confidences are uniform between 0 and 1; `wrong` gives the chance of an error at each, by rule."""

    wrong: Callable[[F64Array], F64Array]

    def draw(self, random: np.random.Generator, units: int) -> TopDecisions:
        """So many independent decisions."""
        confidence = random.random(units)
        return tops(confidence, random.random(units) >= self.wrong(confidence))

    def precision(self, threshold: float) -> float:
        """The true precision of what is accepted from a threshold on."""
        inside = threshold + (1 - threshold) * (np.arange(2_000) + 0.5) / 2_000
        return 1 - float(self.wrong(inside).mean())


def answers(top: TopDecisions, hidden: TopDecisions | None = None) -> Answers:
    """Answers with these decisions; hidden partners leave a wrong candidate of the same score unless said otherwise."""
    if hidden is None:
        hidden = tops(top.score, np.zeros(len(top)), np.zeros(len(top)))
    found = Candidates(queries=top.query, rows=top.candidate[:, None], scores=top.score[:, None])
    return Answers(candidates=found, top=top, apart=found, hidden=hidden)


def sample(score: F64Array, right: BoolArray, weight: F64Array | None = None, group: I64Array | None = None) -> Sample:
    """A sample of equal weights and of a group a decision unless they are given."""
    n = len(score)
    return Sample(
        score=np.asarray(score, np.float64),
        right=np.asarray(right, np.bool_),
        weight=np.ones(n) if weight is None else np.asarray(weight, np.float64),
        group=np.arange(n) if group is None else np.asarray(group, np.int64),
    )


def logistic_sample(slope: float, intercept: float, n: int, seed: int, low: float = -4, high: float = 4) -> Sample:
    """Decisions that are right with the probability of the logistic of their score, scores uniform."""
    random = np.random.default_rng(seed)
    score = random.uniform(low, high, n)
    return sample(score, random.random(n) < 1 / (1 + np.exp(-(slope * score + intercept))))
