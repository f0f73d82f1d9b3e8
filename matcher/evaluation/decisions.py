"""One decision per query: the top candidate after re-ranking, with its final score; what every figure counts."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from msgspec import Struct

from matcher.arrays import AnyArray, BoolArray, F32Array, F64Array, I64Array
from matcher.evaluation.retrieval import Candidates, nearest, ranked
from matcher.evaluation.visibility import Visibility, codes, have_match
from matcher.training.dataset import Dataset

#: From final scores f64[n] to probabilities f64[n] that the top candidate is right.
Calibrate = Callable[[F64Array], F64Array]

#: Pairs scored in one call.
_PAIRS_AT_ONCE = 65_536


class Scorer(Protocol):
    """The final score of m pairs, from the two offers of each alone."""

    def __call__(self, dataset: Dataset, query_rows: I64Array, candidate_rows: I64Array) -> F32Array:
        """Query rows i64[m] and candidate rows i64[m] to scores f32[m]; greater is more alike."""


class TopDecisions(Struct, frozen=True, kw_only=True):
    """Of n queries: `query` i64[n] and `candidate` i64[n] are rows (-1: no candidate), `score` f64[n] (then -inf).

    `right` bool[n]: the candidate is of the query's product. `has_match` bool[n]: an offer of that product could be
    matched at all. `place` i64[n]: where the first right candidate stands in the final order, 0 is the top, -1 nowhere.
    `confidence` f64[n] is what thresholds apply to: the calibrated probability where there is one, else the score.
    `held` bool[n]: never accepted, whatever the confidence: another rule of the matcher sends it to people; None: none.
    """

    query: I64Array
    candidate: I64Array
    score: F64Array
    confidence: F64Array
    right: BoolArray
    has_match: BoolArray
    place: I64Array
    held: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.query)

    def take(self, chosen: AnyArray) -> "TopDecisions":
        """Some of the decisions, by index or mask."""
        return TopDecisions(
            query=self.query[chosen],
            candidate=self.candidate[chosen],
            score=self.score[chosen],
            confidence=self.confidence[chosen],
            right=self.right[chosen],
            has_match=self.has_match[chosen],
            place=self.place[chosen],
            held=None if self.held is None else self.held[chosen],
        )

    def followed_by(self, other: "TopDecisions") -> "TopDecisions":
        """These decisions and then those."""
        return TopDecisions(
            query=np.concatenate([self.query, other.query]),
            candidate=np.concatenate([self.candidate, other.candidate]),
            score=np.concatenate([self.score, other.score]),
            confidence=np.concatenate([self.confidence, other.confidence]),
            right=np.concatenate([self.right, other.right]),
            has_match=np.concatenate([self.has_match, other.has_match]),
            place=np.concatenate([self.place, other.place]),
            held=None if self.held is None and other.held is None else np.concatenate([_held(self), _held(other)]),
        )


class Answers(Struct, frozen=True, kw_only=True):
    """What was found for n queries.

    `candidates` in their final order and the decisions `top` made from them; `hidden`: the decisions that the same
    queries get when all their partners are hidden, so that none of them has a match, made from the candidates `apart`.
    """

    candidates: Candidates
    top: TopDecisions
    apart: Candidates
    hidden: TopDecisions


def ask(
    dataset: Dataset,
    embeddings: F32Array,
    visible: Visibility,
    *,
    k: int = 15,
    scorer: Scorer | None = None,
    calibrate: Calibrate | None = None,
    queries: I64Array | None = None,
    device: str = "cpu",
) -> Answers:
    """Asks with every offer of known product (or those in `queries`, rows i64[n]); embeddings f32[len(dataset), d].

    Offers of unknown product are candidates only, and count as wrong ones. Raises `ValueError` where no offer has a
    product or the embeddings are not those of the dataset.
    """
    if len(embeddings) != len(dataset):
        raise ValueError(f"expected an embedding for each of the {len(dataset)} offers, got {len(embeddings)}")
    products = codes(dataset.products)
    asked = np.flatnonzero(products >= 0) if queries is None else queries
    if not len(asked) or (products[asked] < 0).any():
        raise ValueError(f"expected queries with a known product_id in {dataset.name!r}, got none or some without")
    found = nearest(embeddings, asked, k, visible, device=device)
    rest = nearest(embeddings, asked, k, visible, without=products, device=device)
    if scorer is not None:
        found, rest = _rescored(dataset, scorer, found, rest)
    matched = have_match(dataset.products, asked, visible)
    return Answers(
        candidates=found,
        top=decisions(found, products, matched, calibrate),
        apart=rest,
        hidden=decisions(rest, products, np.zeros(len(asked), np.bool_), calibrate),
    )


def decisions(
    candidates: Candidates, products: I64Array, has_match: BoolArray, calibrate: Calibrate | None = None
) -> TopDecisions:
    """Takes the first candidate of each query. `products` i64[dataset]: -1 is unknown; `has_match` bool[n]."""
    top, score = candidates.rows[:, 0], candidates.scores[:, 0]
    # -1 as an index would name the last offer.
    same = (products[candidates.rows] == products[candidates.queries][:, None]) & (candidates.rows >= 0)
    same &= products[candidates.queries][:, None] >= 0
    return TopDecisions(
        query=candidates.queries,
        candidate=top,
        score=score,
        confidence=confidences(score, calibrate),
        right=same[:, 0],
        has_match=has_match,
        place=np.where(same.any(axis=1), same.argmax(axis=1), -1),
    )


def confidences(scores: F64Array, calibrate: Calibrate | None) -> F64Array:
    """What thresholds apply to, f64 of the same shape: calibrated where there is a calibration; -inf stays so."""
    if calibrate is None:
        return scores
    result = np.full(scores.shape, -np.inf)
    there = scores > -np.inf
    result[there] = calibrate(scores[there])
    return result


def _held(top: TopDecisions) -> BoolArray:
    return np.zeros(len(top), np.bool_) if top.held is None else top.held


def _rescored(dataset: Dataset, scorer: Scorer, *lists: Candidates) -> list[Candidates]:
    """Each list in the order of the scorer; a pair that stands in several is scored once."""
    size = np.int64(len(dataset))
    keys = [np.where(each.rows >= 0, each.queries[:, None] * size + each.rows, -1) for each in lists]
    pairs = np.unique(np.concatenate([key.ravel() for key in keys]))
    pairs = pairs[pairs >= 0]
    scores = np.empty(len(pairs), np.float64)
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        part = pairs[start : start + _PAIRS_AT_ONCE]
        scores[start : start + _PAIRS_AT_ONCE] = scorer(dataset, part // size, part % size)
    if not np.isfinite(scores).all():
        raise ValueError("expected the scorer to give finite scores")
    final = []
    for each, key in zip(lists, keys, strict=True):
        place = np.clip(np.searchsorted(pairs, key), 0, max(0, len(pairs) - 1))
        final.append(ranked(each, scores[place]) if len(pairs) else each)
    return final
