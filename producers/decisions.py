"""Records for `matches` and `needs-review`: what the matcher tells the world about a batch."""

from collections.abc import Iterator, Sequence

import msgspec

from matcher.clock import Clock
from matcher.deciding.arrivals import Arrival
from matcher.deciding.steps import Decided, Expired, Gone, Refused, Step
from matcher.events.envelope import EXPIRED, GONE, REVIEW_REQUESTED, Envelope, Outgoing
from matcher.events.offer import MAX_URL, Offer
from matcher.events.review import ReviewTask
from matcher.settings import Topics
from producers.dead_letters import dead_letter_record

SOURCE = "/offermatch/matcher"

#: What a reviewer is shown of an offer; keeps a work-list item of four offers far below a broker's record limit.
SHOWN_DESCRIPTION = 2_000
SHOWN_PHOTOS = 8
SHOWN_SIZES = 50


def decision_records(steps: Sequence[Step], *, partition: int, topics: Topics, clock: Clock) -> Iterator[Outgoing]:
    """Everything that one batch publishes, in the order of the batch. Skipped versions publish nothing."""
    for step in steps:
        if isinstance(step, Decided):
            yield _decision(step, partition, topics)
            if step.decision.review_id is not None:
                yield _task(step, partition, topics)
        elif isinstance(step, Gone):
            yield _gone(step, partition, topics)
        elif isinstance(step, Expired):
            yield _expired(step, partition, topics)
        elif isinstance(step, Refused):
            yield dead_letter_record(step.record, step.failure, topic=topics.dead_letters, now_ms=clock.now_ms())


def _decision(step: Decided, partition: int, topics: Topics) -> Outgoing:
    decision = step.decision
    return Outgoing(
        topic=topics.matches,
        partition=partition,
        key=decision.offer_id.encode(),
        value=msgspec.json.encode(decision),
        headers=_envelope(step.arrival, decision.event_id, decision.type).headers(),
    )


def _gone(step: Gone, partition: int, topics: Topics) -> Outgoing:
    return Outgoing(
        topic=topics.matches,
        partition=partition,
        key=step.arrival.record.key,
        value=None,
        headers=_envelope(step.arrival, f"gone-{step.arrival.version}", GONE).headers(),
    )


def _expired(step: Expired, partition: int, topics: Topics) -> Outgoing:
    envelope = Envelope(
        id=f"expired-{step.version}",
        source=SOURCE,
        type=EXPIRED,
        time_ms=step.time_ms,
        subject=step.offer_id,
        version=step.version,
        cause=step.cause,
    )
    return Outgoing(
        topic=topics.matches, partition=partition, key=step.offer_id.encode(), value=None, headers=envelope.headers()
    )


def _task(step: Decided, partition: int, topics: Topics) -> Outgoing:
    decision, features = step.decision, step.arrival.features
    assert features is not None
    assert decision.review_id is not None
    assert decision.review_reason is not None
    task = ReviewTask(
        review_id=decision.review_id,
        offer=_shown(features.offer),
        version=decision.version,
        cause=decision.cause,
        product_id=decision.product_id,
        reason=decision.review_reason,
        candidates=tuple(msgspec.structs.replace(one, offer=_shown(one.offer)) for one in step.shown),
        model=decision.model,
        evidence=decision.evidence,
    )
    return Outgoing(
        topic=topics.needs_review,
        partition=partition,
        key=decision.offer_id.encode(),
        value=msgspec.json.encode(task),
        headers=_envelope(step.arrival, f"review-{decision.version}", REVIEW_REQUESTED).headers(),
    )


def _shown(offer: Offer) -> Offer:
    return msgspec.structs.replace(
        offer,
        description=offer.description[:SHOWN_DESCRIPTION] if offer.description else None,
        image_urls=tuple(url for url in offer.image_urls if len(url) <= MAX_URL)[:SHOWN_PHOTOS],
        sizes=offer.sizes[:SHOWN_SIZES],
    )


def _envelope(arrival: Arrival, event_id: str, kind: str) -> Envelope:
    return Envelope(
        id=event_id,
        source=SOURCE,
        type=kind,
        time_ms=arrival.record.timestamp_ms if arrival.seen.time_ms is None else arrival.seen.time_ms,
        subject=arrival.offer_id,
        version=arrival.version,
        cause=arrival.record.place,
        traceparent=arrival.seen.traceparent,
    )
