"""The result of a rehearsal, as data: what `--json` prints and what the views draw."""

from typing import Literal

from msgspec import Struct

from matcher.events.decision import Evidence, Outcome, ReviewReason
from matcher.events.offer import Price
from matcher.events.place import Version

#: What becomes of a decision under the new bundle; `matched_elsewhere`: matched as before, but with another product.
After = Literal["matched", "matched_elsewhere", "needs_review", "new_product"]


class Flip(Struct, frozen=True, kw_only=True):
    """Decisions that would change in one direction.

    `partner_absent` of them were a match with, or a question about, an offer that the log no longer has before this one
    (it was updated or withdrawn since): those say more about the log than about the bundle.
    """

    before: Outcome
    after: After
    count: int
    partner_absent: int


class Outcomes(Struct, frozen=True, kw_only=True):
    """Decisions by outcome. `automatic` are those without a person; `reviews_per_1000` offers, None of nothing."""

    matched: int
    needs_review: int
    new_product: int
    automatic: int
    reviews_per_1000: float | None


class Grouping(Struct, frozen=True, kw_only=True):
    """The two tables offer → product as partitions of the same offers; the product ids themselves are not compared.

    `pairs_…`: pairs of offers in one product. `same_mates`: the share of offers that stand with exactly the same
    others. B³ takes the published table for the truth: precision falls where the bundle joins more, recall where it
    joins less. Shares of nothing are None.
    """

    products_before: int
    products_after: int
    pairs_before: int
    pairs_after: int
    pairs_both: int
    same_mates: float | None
    b3_precision: float | None
    b3_recall: float | None


class Glimpse(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one needs to see of an offer; all but its id is None where the log no longer has it."""

    offer_id: str
    seller_id: str | None = None
    title: str | None = None
    brand: str | None = None
    price: Price | None = None
    image_urls: tuple[str, ...] = ()


class Voice(Struct, frozen=True, kw_only=True):
    """What one bundle (its fingerprint) said, and of which offer."""

    bundle: str
    outcome: Outcome
    candidate: Glimpse | None
    score: float | None
    probability: float | None
    review_reason: ReviewReason | None
    evidence: tuple[Evidence, ...]


class Example(Struct, frozen=True, kw_only=True):
    """One decision that would change; `partner_absent` as in `Flip`."""

    offer: Glimpse
    version: Version
    before: Voice
    after: Voice
    after_kind: After
    partner_absent: bool


class Count(Struct, frozen=True):
    """How often a name came up."""

    name: str
    count: int


class Rollout(Struct, frozen=True, kw_only=True):
    """How the decisions on a log would change under the bundle.

    `offers` are live and decided by the shadow = `compared` + `by_people` + `unpublished`. `by_people`: a verdict
    decided them, which no bundle overturns. `unpublished`: no decision on that version is at hand (not decided yet, or
    another version's has taken its place). `missing`: published, but without features that the bundle can decide.
    `since`: published records on what came behind the end of the rehearsal. `withdrawn`: offers that are gone.

    A decision *agrees* if its outcome is the same and, where both match, the offers matched are the same or stand in
    one product in either table. `agreement` is their share of `compared`; `decided_by`: the fingerprints in `before`.
    """

    bundle: str
    bundle_name: str
    note: str
    features_topic: str
    offers: int
    compared: int
    agreeing: int
    agreement: float | None
    flips: tuple[Flip, ...]
    before: Outcomes
    after: Outcomes
    products: Grouping
    by_people: int
    unpublished: int
    missing: int
    since: int
    withdrawn: int
    refused: tuple[Count, ...]
    decided_by: tuple[Count, ...]
    examples: tuple[Example, ...] = ()
