"""Decisions at another share of queries with a match: real streams are mostly rejection (paper, "Task").

A query loses its match by hiding its partners: it is then decided as if its product were not in the index. Drawing at
random which queries are hidden, again and again, comes to weights in the end: each query counts as it is and as hidden,
so that the queries with a match weigh as much as they should. That limit is what is reported; one draw is what a
certificate needs, which counts queries.
"""

import math
from collections.abc import Mapping

import numpy as np
from msgspec import Struct

from matcher.arrays import F64Array, I64Array
from matcher.evaluation.decisions import Answers, TopDecisions
from matcher.evaluation.figures import Figure


class Mixture(Struct, frozen=True, kw_only=True):
    """Decisions on m queries, some of them hidden ones, that stand for a stream in which a share `rate` has a match.

    `origin` i64[m]: which of the n queries asked each is.
    """

    rate: float
    top: TopDecisions
    origin: I64Array

    def weights(self, weights: F64Array) -> F64Array:
        """From weights of the queries asked (f64[b, n]) to those of the mixture (f64[b, m]), a sum of 1 each.

        NaN where no query of a kind that the rate needs has any weight.
        """
        spread: F64Array = weights[:, self.origin]
        for kind, part in ((self.top.has_match, self.rate), (~self.top.has_match, 1 - self.rate)):
            with np.errstate(invalid="ignore", divide="ignore"):
                spread[:, kind] *= part / spread[:, kind].sum(axis=1, keepdims=True) if part else 0.0
        return spread

    def over_queries(self, figures: Mapping[str, Figure]) -> dict[str, Figure]:
        """Figures of the mixture as figures of the queries asked, so that intervals draw those."""
        kept = _LastWeights(self)
        return {name: self._over_queries(figure, kept) for name, figure in figures.items()}

    def _over_queries(self, figure: Figure, kept: "_LastWeights") -> Figure:
        carried = np.zeros(int(self.origin.max()) + 1, np.bool_)
        carried[self.origin[figure.carriers]] = True
        return Figure(lambda weights: figure.weigh(kept(weights)), carried)


class _LastWeights:
    """The weights of a mixture, computed once for all figures that are drawn with the same ones."""

    def __init__(self, mixed: Mixture) -> None:
        self._mixed = mixed
        self._last: tuple[F64Array, F64Array] | None = None

    def __call__(self, weights: F64Array) -> F64Array:
        if self._last is None or self._last[0] is not weights:
            self._last = weights, self._mixed.weights(weights)
        return self._last[1]


def mixture(answers: Answers, rate: float) -> Mixture:
    """Queries with a match as they are, and all queries with their partners hidden. Raises `ValueError` without any."""
    if not 0 < rate <= 1:
        raise ValueError(f"expected a match rate above 0 and at most 1, got {rate}")
    matched = np.flatnonzero(answers.top.has_match)
    if not len(matched):
        raise ValueError("expected at least one query with a match")
    everyone = np.arange(len(answers.top), dtype=np.int64)
    return Mixture(
        rate=rate,
        top=answers.top.take(matched).followed_by(answers.hidden),
        origin=np.concatenate([matched, everyone]),
    )


def draw(answers: Answers, rate: float, generator: np.random.Generator) -> TopDecisions:
    """As many of the queries as possible, each once, of which a share `rate` keeps its match; the others are hidden.

    Queries are left out only where too few have a match for the rate. Raises `ValueError` as `mixture`.
    """
    if not 0 < rate <= 1:
        raise ValueError(f"expected a match rate above 0 and at most 1, got {rate}")
    matched = np.flatnonzero(answers.top.has_match)
    if not len(matched):
        raise ValueError("expected at least one query with a match")
    total = min(len(answers.top), math.floor(len(matched) / rate + 1e-9))
    kept = generator.permutation(matched)[: max(1, round(total * rate))]
    others = generator.permutation(np.setdiff1d(np.arange(len(answers.top)), kept))[: total - len(kept)]
    return answers.top.take(np.sort(kept)).followed_by(answers.hidden.take(np.sort(others)))
