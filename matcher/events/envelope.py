"""The envelope: CloudEvents 1.0 in Kafka binary mode, `ce_*` headers around the topic's own value.

Version and cause travel as the extension attributes `offerversion` and `cause`: null values have no body to hold them.
`traceparent` (W3C Trace Context) is carried through untouched.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Self, TypeVar

from msgspec import Struct

from matcher.events.place import Place, Version

T = TypeVar("T")
Headers = tuple[tuple[str, bytes], ...]

JSON = "application/json"
MSGPACK = "application/msgpack"

#: Event types, as design.md names them. The last three come with a null value.
OFFERED = "offer.offered"
ENCODED = "offer.encoded"
REVIEW_REQUESTED = "review.requested"
REVIEW_DECIDED = "review.decided"
WITHDRAWN = "offer.withdrawn"
GONE = "offer.gone"
EXPIRED = "offer.expired"

MAX_TRACEPARENT = 128
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END_MS = 253_402_300_800_000  # the year 10000, which RFC 3339 cannot write


class Record(Struct, frozen=True, kw_only=True):
    """One Kafka record, without the client that read it. `timestamp_ms` is its Kafka time (Unix, milliseconds)."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int = 0

    @property
    def place(self) -> Place:
        return Place(self.topic, self.partition, self.offset)


class Outgoing(Struct, frozen=True, kw_only=True):
    """One record to be produced. `value` None is a tombstone on a compacted topic."""

    topic: str
    partition: int | None = None
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Envelope(Struct, frozen=True, kw_only=True):
    """The attributes of one event. `time_ms` is event time: what the seller's event said, else Kafka's time of it."""

    id: str
    source: str
    type: str
    time_ms: int
    subject: str | None = None
    content_type: str = JSON
    version: Version | None = None
    cause: Place | None = None
    traceparent: str | None = None

    def headers(self) -> Headers:
        pairs = [
            ("ce_specversion", "1.0"),
            ("ce_id", self.id),
            ("ce_source", self.source),
            ("ce_type", self.type),
            ("ce_time", format_time(self.time_ms)),
        ]
        if self.subject is not None:
            pairs.append(("ce_subject", self.subject))
        if self.version is not None:
            pairs.append(("ce_offerversion", str(self.version)))
        if self.cause is not None:
            pairs.append(("ce_cause", str(self.cause)))
        pairs.append(("content-type", self.content_type))
        if self.traceparent is not None:
            pairs.append(("traceparent", self.traceparent))
        return tuple((name, text.encode()) for name, text in pairs)


class Seen(Struct, frozen=True, kw_only=True):
    """What the headers of a foreign record say, as far as they can be read; nothing in them is required."""

    time_ms: int | None = None
    type: str | None = None
    version: Version | None = None
    cause: Place | None = None
    traceparent: str | None = None

    @classmethod
    def of(cls, headers: Headers) -> Self:
        found = {name: value for name, value in headers if isinstance(value, bytes)}

        def text(name: str) -> str | None:
            raw = found.get(name)
            return raw.decode("utf-8", "replace") if raw is not None else None

        trace = text("traceparent")
        return cls(
            time_ms=_quietly(parse_time, text("ce_time")),
            type=text("ce_type"),
            version=_quietly(Version.parse, text("ce_offerversion")),
            cause=_quietly(Place.parse, text("ce_cause")),
            traceparent=trace
            if trace and len(trace) <= MAX_TRACEPARENT and trace.isascii() and trace.isprintable()
            else None,
        )


def _quietly(parse: Callable[[str], T], text: str | None) -> T | None:
    """Headers come from anywhere: one that cannot be read counts as absent."""
    try:
        return parse(text) if text is not None else None
    except ValueError:
        return None


def read_envelope(record: Record) -> Seen:
    """The readable part of a record's headers, with the record's own Kafka time where `ce_time` is missing."""
    seen = Seen.of(record.headers)
    if seen.time_ms is not None:
        return seen
    return Seen(
        time_ms=record.timestamp_ms,
        type=seen.type,
        version=seen.version,
        cause=seen.cause,
        traceparent=seen.traceparent,
    )


def format_time(time_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds; times before 1970 and after 9999 become the nearest that can be written."""
    moment = _EPOCH + timedelta(milliseconds=min(max(time_ms, 0), _END_MS - 1))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> int:
    """Unix milliseconds of an RFC 3339 time; `ValueError` for anything else, also before 1970 and after 9999."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"expected an RFC 3339 time with an offset, got {text[:40]!r}")
    time_ms = (moment - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= time_ms < _END_MS:
        raise ValueError(f"expected a time between 1970 and 9999, got {text[:40]!r}")
    return time_ms
