"""What today's readers make of a record of each topic, as plain data."""

from collections.abc import Callable
from typing import Any

import msgspec

from matcher.deciding.arrivals import Arrival, read_arrival
from matcher.events.dead_letter import read_dead_letter
from matcher.events.decision import read_decision
from matcher.events.envelope import Record, read_envelope
from matcher.events.reading import Unreadable, read_key, read_offer
from matcher.events.review import ReviewTask, Verdict
from tests.matcher.making import a_bundle


def offer(record: Record) -> Any:
    if record.value is None:
        return {"withdraws": read_key(record.key)}
    try:
        found, repairs = read_offer(record.key, record.value)
    except Unreadable as error:
        return {"unreadable": error.reason}
    return {"offer": found, "repairs": repairs}


def features(record: Record) -> Any:
    arrival = read_arrival(record, a_bundle())
    if not isinstance(arrival, Arrival):
        return {"refused": arrival.reason}
    if arrival.features is None:
        return {"withdraws": arrival.offer_id, "version": arrival.version}
    vectors = {
        "image_vector": arrival.features.image_vector(),
        "text_vector": arrival.features.text_vector(),
        "numeric_vector": arrival.features.numeric_vector(),
    }
    # NaN is no JSON: a missing number reads as null.
    numbers = {
        name: None if vector is None else [float(x) if x == x else None for x in vector]
        for name, vector in vectors.items()
    }
    return {"features": arrival.features, **numbers}


def decision(record: Record) -> Any:
    return None if record.value is None else {"decision": read_decision(record.value)}


def task(record: Record) -> Any:
    return {"task": msgspec.json.decode(record.value or b"", type=ReviewTask)}


def verdict(record: Record) -> Any:
    return {"verdict": msgspec.json.decode(record.value or b"", type=Verdict)}


def dead(record: Record) -> Any:
    return {"dead_letter": read_dead_letter(record.headers)}


READERS: dict[str, Callable[[Record], Any]] = {
    "offers": offer,
    "offer-features": features,
    "matches": decision,
    "needs-review": task,
    "verdicts": verdict,
    "dead-letters": dead,
}


def read_as_data(topic: str, record: Record) -> Any:
    """Content and envelope of the record, in JSON's types."""
    content = {"content": READERS[topic](record), "envelope": read_envelope(record)}
    return msgspec.json.decode(msgspec.json.encode(content))
