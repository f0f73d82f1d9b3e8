"""The event on `matches`: every decision. Compacted by offer_id, the topic is the table offer → product."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from matcher.events.place import Place, Version
from matcher.events.reading import Unreadable

Outcome = Literal["matched", "new_product", "needs_review", "reassigned"]
ReviewReason = Literal["band", "ambiguous", "conflict"]

Probability = Annotated[float, Meta(ge=0, le=1)]


class Evidence(Struct, frozen=True):
    """One observation on the offer and its best candidate, and which way it points."""

    name: str
    value: float
    favours: Literal["match", "difference", "neither"] = "neither"


class Decision(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was decided for one version of an offer.

    `product_id` is where the offer belongs from now on; a `needs_review` offer gets a provisional product of its own.
    `matched_offer_id`, `score` and `probability` speak of the best candidate, accepted or not; None where there was
    none. `version` is the offer's place in `offers`, `cause` the record that led to this decision, `model` the bundle's
    fingerprint. `review_id` names the work-list item of a `needs_review` decision.
    """

    offer_id: str
    outcome: Outcome
    product_id: str
    version: Version
    cause: Place
    model: str
    matched_offer_id: str | None = None
    score: float | None = None
    probability: Probability | None = None
    evidence: tuple[Evidence, ...] = ()
    review_id: str | None = None
    review_reason: ReviewReason | None = None

    @property
    def type(self) -> str:
        """The CloudEvents type: `offer.matched`, `offer.new_product`, `offer.needs_review` or `offer.reassigned`."""
        return f"offer.{self.outcome}"

    @property
    def event_id(self) -> str:
        """First decisions are named by the version; a reassignment also by its cause: a version may have several."""
        first = f"decision-{self.version}"
        return first if self.outcome != "reassigned" else f"{first}-{self.cause}"


class Candidate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A known offer that may show the same product, as the decision step and the reviewers see it."""

    offer_id: str
    product_id: str
    version: Version
    score: float
    probability: Probability


_decoder = msgspec.json.Decoder(Decision)


def read_decision(value: bytes) -> Decision:
    """Decodes one record of `matches`. Raises `Unreadable` with the reason `bad_decision`."""
    try:
        return _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable("bad_decision", f"expected the JSON of a Decision: {error}") from None
