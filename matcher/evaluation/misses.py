"""Why a match was missed: never among the candidates, lost to blocking, scored too low, or held back for people."""

from enum import IntEnum

import numpy as np
from msgspec import Struct

from matcher.arrays import BoolArray, I64Array
from matcher.evaluation.decisions import Answers
from matcher.evaluation.figures import accepted, reaches
from matcher.evaluation.visibility import Allowed, Visibility


class Miss(IntEnum):
    """What became of a query with a match. `OUTRANKED` and `BELOW_THRESHOLD` are both "scored too low"."""

    NONE = 0
    LOST_TO_BLOCKING = 1
    NOT_AMONG_CANDIDATES = 2
    OUTRANKED = 3
    BELOW_THRESHOLD = 4
    HELD_BACK = 5


class Misses(Struct, frozen=True, kw_only=True):
    """Queries with a match whose match was not accepted. `scored_too_low` = `outranked` (another offer stood first) +
    `below_threshold` (the right one stood first, below the threshold). `held_back`: the right one stood first, above
    it, and another rule sent it to people."""

    missed: int
    not_among_candidates: int
    lost_to_blocking: int
    scored_too_low: int
    outranked: int
    below_threshold: int
    held_back: int


def misses_by_query(answers: Answers, visible: Visibility, products: I64Array, threshold: float) -> I64Array:
    """A `Miss` for each query, i64[n]. `products` i64[dataset]; a threshold of -inf accepts whatever stands first."""
    top = answers.top
    kinds = np.full(len(top), int(Miss.NONE), np.int64)
    missed = top.has_match & ~(top.right & accepted(top, threshold))
    kinds[missed & top.right] = Miss.BELOW_THRESHOLD
    kinds[missed & top.right & reaches(top, threshold)] = Miss.HELD_BACK
    kinds[missed & ~top.right & (top.place > 0)] = Miss.OUTRANKED
    absent = missed & (top.place < 0)
    kinds[absent] = Miss.NOT_AMONG_CANDIDATES
    if visible.allowed is not None:
        kinds[lost_to_blocking(visible.allowed, answers, visible, products, among=absent)] = Miss.LOST_TO_BLOCKING
    return kinds


def lost_to_blocking(
    rule: Allowed, answers: Answers, visible: Visibility, products: I64Array, *, among: BoolArray
) -> BoolArray:
    """bool[n]: which queries `among` some (bool[n]) have partners, all of whom the rule leaves out."""
    lost = np.zeros(len(answers.top), np.bool_)
    for query in np.flatnonzero(among).tolist():
        row = answers.top.query[query : query + 1]
        partners = partners_of(int(row[0]), visible, products)
        lost[query] = len(partners) > 0 and not rule(row, partners).any()
    return lost


def partners_of(row: int, visible: Visibility, products: I64Array) -> I64Array:
    """The offers of the same product that the offer in `row` may match, blocking left aside."""
    rows = np.flatnonzero(products == products[row]) if products[row] >= 0 else np.empty(0, np.int64)
    return rows[visible.may_match(row, rows)]


def count_misses(kinds: I64Array) -> Misses:
    """The numbers of each kind."""
    count = np.bincount(kinds, minlength=len(Miss))
    outranked, below = int(count[Miss.OUTRANKED]), int(count[Miss.BELOW_THRESHOLD])
    return Misses(
        missed=int(count[1:].sum()),
        not_among_candidates=int(count[Miss.NOT_AMONG_CANDIDATES]),
        lost_to_blocking=int(count[Miss.LOST_TO_BLOCKING]),
        scored_too_low=outranked + below,
        outranked=outranked,
        below_threshold=below,
        held_back=int(count[Miss.HELD_BACK]),
    )
