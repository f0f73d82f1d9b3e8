"""Which of the changed decisions are shown, and what is shown of them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from matcher.events.decision import Decision, Outcome
from matcher.events.offer import Offer
from matcher.rollout.result import After, Example, Glimpse, Voice

PHOTOS = 3


class Changed(Struct, frozen=True, kw_only=True):
    """An offer whose decision would change; `partner_absent` as in `matcher.rollout.result.Flip`."""

    offer_id: str
    partner_absent: bool


def examples_of(
    changed: Mapping[tuple[Outcome, After], Sequence[Changed]],
    before: Mapping[str, Decision],
    after: Mapping[str, Decision],
    offers: Callable[[Sequence[str]], Mapping[str, Offer]],
    most: int,
) -> tuple[Example, ...]:
    """At most `most` of each direction, the more frequent direction first.

    Those that the log explains come last; apart from that they are drawn evenly, and the same ones every time.
    """
    chosen = [
        (becomes, one)
        for (_, becomes), ones in sorted(changed.items(), key=lambda item: (-len(item[1]), item[0]))
        for one in sorted(ones, key=lambda one: (one.partner_absent, _lot(one.offer_id)))[:most]
    ]
    names = [one.offer_id for _, one in chosen]
    partners = [table[name].matched_offer_id for name in names for table in (before, after)]
    known = offers([*names, *(partner for partner in partners if partner is not None)])
    return tuple(
        Example(
            offer=_glimpse(one.offer_id, known),
            version=after[one.offer_id].version,
            before=_voice(before[one.offer_id], known),
            after=_voice(after[one.offer_id], known),
            after_kind=becomes,
            partner_absent=one.partner_absent,
        )
        for becomes, one in chosen
    )


def _lot(offer_id: str) -> bytes:
    return hashlib.sha256(offer_id.encode()).digest()


def _voice(decision: Decision, known: Mapping[str, Offer]) -> Voice:
    return Voice(
        bundle=decision.model,
        outcome=decision.outcome,
        candidate=None if decision.matched_offer_id is None else _glimpse(decision.matched_offer_id, known),
        score=decision.score,
        probability=decision.probability,
        review_reason=decision.review_reason,
        evidence=decision.evidence,
    )


def _glimpse(offer_id: str, known: Mapping[str, Offer]) -> Glimpse:
    offer = known.get(offer_id)
    if offer is None:
        return Glimpse(offer_id=offer_id)
    return Glimpse(
        offer_id=offer_id,
        seller_id=offer.seller_id,
        title=offer.title,
        brand=offer.brand,
        price=offer.price,
        image_urls=offer.image_urls[:PHOTOS],
    )
