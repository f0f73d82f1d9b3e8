"""What becomes of one record of `offer-features`."""

from typing import Literal

from msgspec import Struct

from matcher.arrays import F32Array
from matcher.deciding.arrivals import Arrival
from matcher.deciding.content import Content
from matcher.events.dead_letter import Failure
from matcher.events.decision import Decision
from matcher.events.envelope import Record
from matcher.events.place import Place, Version
from matcher.events.review import ReviewCandidate


class Decided(Struct, frozen=True, kw_only=True):
    """A decision on one arrival, with its embedding f32[dim] and, where a person is asked, the candidates to show.

    `content`: what was read of the offer, for a memory that wants to keep it at hand.
    """

    arrival: Arrival
    vector: F32Array
    decision: Decision
    shown: tuple[ReviewCandidate, ...] = ()
    content: Content | None = None


class Gone(Struct, frozen=True):
    """A withdrawal: the offer leaves its product."""

    arrival: Arrival


class Skipped(Struct, frozen=True, kw_only=True):
    """A version that was decided before (`reindexed`: its embedding is taken again) or that a later one superseded."""

    arrival: Arrival
    why: Literal["superseded", "reindexed"]
    vector: F32Array | None = None
    content: Content | None = None


class Refused(Struct, frozen=True):
    """A record that ends as a dead letter."""

    record: Record
    failure: Failure


class Expired(Struct, frozen=True, kw_only=True):
    """An offer that was not seen again in time: it leaves its product at the version that is live.

    `cause`: the record of `offer-features` up to which it did not come; `time_ms`: the Kafka time it was due by.
    """

    offer_id: str
    version: Version
    cause: Place
    time_ms: int


Step = Decided | Gone | Skipped | Refused | Expired


def place_of(step: Step) -> Place | None:
    """The record that a step is about; None for what happens by itself."""
    if isinstance(step, Expired):
        return None
    return step.record.place if isinstance(step, Refused) else step.arrival.record.place
