"""What happened in a run, as far as the log still tells: first decisions, in the order of the input."""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct


class FirstDecision(Struct, frozen=True, kw_only=True):
    """The first automatic decision of one version of an offer.

    `outcome` None: only that there was one is known (a later reassignment overwrote it). `shown`: the offers that a
    reviewer was shown, at most three. `partition`: of its cause; offers of different partitions never meet. `latency`:
    seconds from event time to the decision, None where no event time is known.
    """

    offer_id: str
    partition: int
    outcome: Literal["matched", "new_product", "needs_review"] | None
    matched_offer_id: str | None = None
    shown: tuple[str, ...] = ()
    latency: float | None = None


class Withdrawal(Struct, frozen=True, kw_only=True):
    """From here on the offer is nobody's candidate."""

    offer_id: str
    partition: int


class DeadLetterCount(Struct, frozen=True, kw_only=True):
    """How many versions ended as a dead letter of one kind."""

    stage: str
    reason: str
    count: int


class History(Struct, frozen=True, kw_only=True):
    """A whole run.

    Attributes:
        events: in the order of the input, partition by partition.
        table: offer → product as it stands now; withdrawn offers are not in it.
        sellers: offer → seller as the offers themselves say.
        dead_letters: versions that were refused.
        undecided: newest versions of offers that have neither a decision nor a dead letter yet.
        superseded: versions of which nothing is left, since a newer one of the offer came: compaction erased their
            decision, or they were never decided. A lower bound: the versions themselves are compacted away, too.
    """

    events: Sequence[FirstDecision | Withdrawal]
    table: Mapping[str, str]
    sellers: Mapping[str, str] = {}
    dead_letters: Sequence[DeadLetterCount] = ()
    undecided: int = 0
    superseded: int = 0
