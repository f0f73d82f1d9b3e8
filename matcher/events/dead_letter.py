"""Dead letters: the original record, byte for byte, plus headers that say where, why and how often it failed.

A dead letter that is replayed keeps those headers, and with them its first place: it is no newer than it was.
"""

from collections.abc import Mapping

from msgspec import Struct

from matcher.events.envelope import Headers, Outgoing, Record, format_time
from matcher.events.place import Place, Version

PREFIX = "dl_"
MAX_EXCEPTION = 1_000
MAX_ATTEMPT = 1_000_000

#: Why a record can end as a dead letter: the reasons, by stage. They are metric labels, described in docs/events.md.
REASONS = {
    "encoder": (
        "not_json",
        "not_an_object",
        "no_offer_id",
        "bad_offer_id",
        "key_mismatch",
        "no_content",
        "encode_failed",
        "refused",
    ),
    "matcher": (
        "bad_features",
        "no_offer_id",
        "bad_offer_id",
        "key_mismatch",
        "no_version",
        "foreign_encoder",
        "wrong_dimensions",
        "refused",
    ),
}


class Failure(Struct, frozen=True, kw_only=True):
    """A record that cannot be processed: data, since the stream goes on."""

    stage: str
    reason: str
    message: str


class DeadLetter(Struct, frozen=True, kw_only=True):
    """What the headers of a dead letter say. `place` is the original record's."""

    stage: str
    reason: str
    exception: str
    place: Place
    attempt: int


def dead_letter(record: Record, failure: Failure, *, topic: str, now_ms: int) -> Outgoing:
    """The dead letter for `record`. A record that was replayed keeps its first place and counts the attempt."""
    place = first_place(record)
    earlier = read_dead_letter(record.headers) if place != record.place else None
    own: Headers = (
        (f"{PREFIX}stage", failure.stage.encode()),
        (f"{PREFIX}reason", failure.reason.encode()),
        (f"{PREFIX}exception", failure.message[:MAX_EXCEPTION].encode("utf-8", "replace")),
        *place_headers(place),
        (f"{PREFIX}attempt", str(min(earlier.attempt + 1, MAX_ATTEMPT) if earlier else 1).encode()),
        (f"{PREFIX}time", format_time(now_ms).encode()),
    )
    original = tuple((name, value) for name, value in record.headers if not name.startswith(PREFIX))
    return Outgoing(topic=topic, key=record.key, value=record.value, headers=original + own)


def read_dead_letter(headers: Headers) -> DeadLetter | None:
    """What a dead letter's headers say; None for a record that is none, or whose headers somebody made up badly."""
    found = _ours(headers)
    try:
        return DeadLetter(
            stage=found["dl_stage"].decode(),
            reason=found["dl_reason"].decode(),
            exception=found.get("dl_exception", b"").decode("utf-8", "replace"),
            place=_place(found),
            attempt=_attempt(found["dl_attempt"].decode()),
        )
    except (KeyError, ValueError):
        return None


def first_place(record: Record) -> Place:
    """Where `record` stood first: what its headers say, if it was replayed, else where it stands.

    Senders can forge headers. So they count only where they claim an earlier place in the same partition: whoever makes
    them up makes the own record older, and it gives way to what came since.
    """
    try:
        place = _place(_ours(record.headers))
    except (KeyError, ValueError):
        return record.place
    earlier = (place.topic, place.partition) == (record.topic, record.partition) and place.offset < record.offset
    return place if earlier else record.place


def offer_version(record: Record) -> Version:
    """The version that a record of `offers` is: its place there, or the first one of what was replayed."""
    return Version(record.partition, first_place(record).offset)


def place_headers(place: Place) -> Headers:
    """The headers that tell a replayed record's first place."""
    return (
        (f"{PREFIX}topic", place.topic.encode()),
        (f"{PREFIX}partition", str(place.partition).encode()),
        (f"{PREFIX}offset", str(place.offset).encode()),
    )


def _ours(headers: Headers) -> Mapping[str, bytes]:
    return {name: value for name, value in headers if name.startswith(PREFIX) and isinstance(value, bytes)}


def _place(found: Mapping[str, bytes]) -> Place:
    return Place.parse("/".join(found[f"{PREFIX}{name}"].decode() for name in ("topic", "partition", "offset")))


def _attempt(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 7 and 1 <= int(text) <= MAX_ATTEMPT):
        raise ValueError(f"expected an attempt from 1 to {MAX_ATTEMPT}, got {text[:80]!r}")
    return int(text)
