"""Decisions to look at: false matches and missed ones, each beside the offer that would have been right."""

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from matcher.arrays import I64Array
from matcher.evaluation.evaluate import Evaluated
from matcher.evaluation.figures import accepted
from matcher.evaluation.html.thumbnails import thumbnail
from matcher.evaluation.misses import Miss, partners_of
from matcher.evaluation.visibility import codes
from matcher.events.decision import Evidence
from matcher.events.offer import Offer
from matcher.training.dataset import Dataset

#: What spoke for and against a pair: query row and candidate row of the dataset.
Explain = Callable[[Dataset, int, int], Sequence[Evidence]]

_WHY = {
    Miss.LOST_TO_BLOCKING: "lost to blocking",
    Miss.NOT_AMONG_CANDIDATES: "not among the candidates",
    Miss.OUTRANKED: "scored too low: another offer stood first",
    Miss.BELOW_THRESHOLD: "scored too low: right, but below the threshold",
    Miss.HELD_BACK: "right, but held back for people: product codes contradict, or it is ambiguous",
}


class Shown(Struct, frozen=True, kw_only=True):
    """One offer of a card. `score` None: it never was a candidate."""

    role: str
    css: str
    offer_id: str
    title: str
    details: str
    photos: tuple[str, ...]
    score: float | None
    evidence: tuple[Evidence, ...] = ()


class Card(Struct, frozen=True, kw_only=True):
    """A decision with the offers that matter."""

    caption: str
    offers: tuple[Shown, ...]


def false_matches(evaluated: Evaluated, most: int, explain: Explain | None) -> tuple[int, tuple[Card, ...]]:
    """How many there are, and the ones that were surest of themselves. Without a threshold: wrong top candidates."""
    top, accept = evaluated.answers.top, evaluated.model.accept
    wrong = ~top.right & accepted(top, -np.inf if accept is None else accept)
    rows = np.flatnonzero(wrong)
    rows = rows[np.argsort(-top.confidence[rows], kind="stable")]
    cards = tuple(
        _card(evaluated, int(n), "has a match" if top.has_match[n] else "has no match", explain) for n in rows[:most]
    )
    return len(rows), cards


def missed_matches(evaluated: Evaluated, most: int, explain: Explain | None) -> tuple[int, tuple[Card, ...]]:
    """How many there are, and of each kind as many, the highest scores first."""
    top = evaluated.answers.top
    kinds = [np.flatnonzero(evaluated.miss == kind) for kind in _WHY]
    present = [rows[np.argsort(-top.confidence[rows], kind="stable")] for rows in kinds if len(rows)]
    each = most // max(1, len(present))
    chosen: list[int] = [row for rows in present for row in rows[:each].tolist()]
    total = sum(len(rows) for rows in kinds)
    return total, tuple(_card(evaluated, n, _WHY[Miss(int(evaluated.miss[n]))], explain) for n in chosen)


def _card(evaluated: Evaluated, n: int, caption: str, explain: Explain | None) -> Card:
    dataset, candidates, top = evaluated.dataset, evaluated.answers.candidates, evaluated.answers.top
    query, chosen, place = int(top.query[n]), int(top.candidate[n]), int(top.place[n])

    def why(row: int) -> tuple[Evidence, ...]:
        return tuple(explain(dataset, query, row)) if explain is not None else ()

    offers = [_shown(dataset.offers[query], "the query", "query", None)]
    if chosen >= 0:
        right = bool(top.right[n])
        role = "top candidate" + (", right" if right else ", wrong")
        css = "good" if right else "bad"
        offers.append(_shown(dataset.offers[chosen], role, css, float(top.confidence[n]), why(chosen)))
    if top.has_match[n] and not top.right[n]:
        if place >= 0:
            row = int(candidates.rows[n, place])
            role, score = f"right, place {place + 1}", float(candidates.scores[n, place])
        else:
            partners = _partners(evaluated, query)
            row, role, score = int(partners[0]), "right, no candidate", None
        if evaluated.model.calibrate is not None and score is not None:
            score = float(evaluated.model.calibrate(np.array([score]))[0])
        offers.append(_shown(dataset.offers[row], role, "good", score, why(row)))
    return Card(caption=caption, offers=tuple(offers))


def _partners(evaluated: Evaluated, query: int) -> I64Array:
    return partners_of(query, evaluated.visible, codes(evaluated.dataset.products))


def _shown(offer: Offer, role: str, css: str, score: float | None, evidence: tuple[Evidence, ...] = ()) -> Shown:
    price = None
    if offer.price is not None:
        price = f"{offer.price.amount:,.2f} {offer.price.currency or ''}".strip()
    details = " · ".join(part for part in (offer.brand, price, offer.seller_id) if part)
    photos = [thumbnail(url) for url in offer.image_urls[:3]]
    return Shown(
        role=role,
        css=css,
        offer_id=offer.offer_id,
        title=offer.title or "(no title)",
        details=details,
        photos=tuple(photo for photo in photos if photo is not None),
        score=score,
        evidence=evidence,
    )
