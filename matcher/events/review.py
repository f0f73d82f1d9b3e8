"""The events around people: the work list on `needs-review`, and what comes back on `verdicts`."""

from typing import Annotated

from msgspec import Meta, Struct

from matcher.events.decision import Candidate, Evidence, ReviewReason
from matcher.events.offer import Offer
from matcher.events.place import Place, Version


class ReviewCandidate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A candidate with what a validator needs to see of it, and what speaks for and against it."""

    candidate: Candidate
    offer: Offer
    evidence: tuple[Evidence, ...] = ()


class ReviewTask(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One doubtful offer: the offer, its best candidates (three at most, best first), and why a person is asked."""

    review_id: str
    offer: Offer
    version: Version
    cause: Place
    product_id: Annotated[str, Meta(description="the provisional product of the offer")]
    reason: ReviewReason
    candidates: Annotated[tuple[ReviewCandidate, ...], Meta(max_length=3)]
    model: str
    evidence: tuple[Evidence, ...] = ()


class OfferVersion(Struct, frozen=True, kw_only=True):
    """The version of an offer that a validator had before their eyes."""

    offer_id: str
    version: Version


class Vote(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One judgement of one validator: the chosen offer, or None for "none of them". `time_ms` is Unix milliseconds."""

    validator: str
    chosen: str | None
    time_ms: int


class Verdict(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What people found for one review: the chosen offer or none. A later record with `withdrawn` takes it back."""

    review_id: str
    offer: OfferVersion
    candidates: tuple[OfferVersion, ...]
    chosen: str | None
    votes: tuple[Vote, ...]
    withdrawn: bool = False
