"""Matches that the score alone would make and the matcher's further rules do not: they go to people.

The rules are the matcher's own (`matcher.deciding.outcome`): valid GTINs that contradict each other, and a candidate of
another product that is nearly as good.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from matcher.arrays import BoolArray, I64Array
from matcher.deciding.outcome import codes_conflict, held_back
from matcher.evaluation.decisions import Answers, Calibrate, TopDecisions, confidences
from matcher.evaluation.retrieval import Candidates
from matcher.evaluation.visibility import Visibility
from matcher.events.offer import Offer


def hold_back(
    answers: Answers,
    offers: Sequence[Offer],
    products: I64Array,
    visible: Visibility,
    *,
    accept: float,
    margin: float,
    calibrate: Calibrate | None = None,
) -> Answers:
    """The same answers with `held` known, at a threshold `accept` of the confidence.

    `products` i64[dataset], -1 where unknown. Which candidates are of another product: in a stream, by what was decided
    before, as in the matcher (offers that are not asked about found products of their own); all against all, by the
    known products.
    """
    asked = _Rules(answers.candidates, offers, accept, margin, calibrate)
    if visible.arrival is None:
        known = np.where(products >= 0, products, -1 - np.arange(len(products)))
        held = np.array([asked.holds(row, known) for row in range(len(answers.top))], np.bool_)
    else:
        held, known = _in_order(asked, answers.top, visible.arrival)
    rest = _Rules(answers.apart, offers, accept, margin, calibrate)
    hidden = np.array([rest.holds(row, known) for row in range(len(answers.hidden))], np.bool_)
    return msgspec.structs.replace(
        answers,
        top=msgspec.structs.replace(answers.top, held=held),
        hidden=msgspec.structs.replace(answers.hidden, held=hidden),
    )


def _in_order(rules: "_Rules", top: TopDecisions, arrival: I64Array) -> tuple[BoolArray, I64Array]:
    """Which decisions are held back as the offers come one by one, and the product i64[dataset] each offer is given."""
    given = np.arange(len(arrival), dtype=np.int64)
    held = np.zeros(len(top), np.bool_)
    for row in np.argsort(arrival[top.query], kind="stable").tolist():
        held[row] = rules.holds(row, given)
        if rules.reaches[row] and not held[row]:
            given[top.query[row]] = given[top.candidate[row]]
    return held, given


class _Rules:
    """The rules over lists of candidates. `reaches` bool[n]: whose best candidate reaches the threshold."""

    def __init__(
        self,
        found: Candidates,
        offers: Sequence[Offer],
        accept: float,
        margin: float,
        calibrate: Calibrate | None,
    ) -> None:
        self._found = found
        self._offers = offers
        self._accept = accept
        self._margin = margin
        self._confidence = confidences(found.scores, calibrate)
        self.reaches: BoolArray = (found.rows[:, 0] >= 0) & (self._confidence[:, 0] >= accept)

    def holds(self, row: int, products: I64Array) -> bool:
        if not self.reaches[row]:
            return False
        query, candidates = int(self._found.queries[row]), self._found.rows[row]
        others = (candidates >= 0) & (products[candidates] != products[candidates[0]])
        confidence = self._confidence[row]
        rival = float(confidence[others.argmax()]) if others.any() else None
        conflict = codes_conflict(self._offers[query], self._offers[int(candidates[0])])
        return (
            held_back(float(confidence[0]), rival, accept=self._accept, margin=self._margin, conflict=conflict)
            is not None
        )
