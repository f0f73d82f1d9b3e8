"""A Kafka record inside one string of bytes, so that a fuzzer changes key, headers and value alike.

Any bytes at all are a record: lengths that reach too far end with the bytes.
"""

from matcher.events.envelope import Headers, Record

#: The headers that somebody of ours reads; a fuzzer would be long in guessing them.
NAMES = (
    "ce_time", "ce_type", "ce_offerversion", "ce_cause", "traceparent", "ce_id", "content-type",
    "dl_stage", "dl_reason", "dl_exception", "dl_topic", "dl_partition", "dl_offset", "dl_attempt", "dl_time", "dl_cut",
)  # fmt: skip
#: What Kafka can say of a record's time (milliseconds), none and the ends of its range among it.
TIMES = (0, 1_700_000_000_000, 253_402_300_800_000, 2**63 - 1)
MAX_HEADERS = 16
_NO_KEY, _NO_VALUE = 1, 2


def record_in(data: bytes, topic: str) -> Record:
    """The record that `data` stands for."""
    rest = memoryview(data)
    flags, rest = _byte(rest)
    count, rest = _byte(rest)
    headers = []
    for _ in range(count % (MAX_HEADERS + 1)):
        name, rest = _byte(rest)
        value, rest = _part(rest)
        headers.append((NAMES[name] if name < len(NAMES) else f"x{name}", value))
    key, rest = _part(rest)
    return Record(
        topic=topic,
        partition=0,
        offset=2**40,
        key=None if flags & _NO_KEY else key,
        value=None if flags & _NO_VALUE else bytes(rest),
        headers=tuple(headers),
        timestamp_ms=TIMES[(flags >> 2) % len(TIMES)],
    )


def framed(key: bytes | None, value: bytes | None, headers: Headers = ()) -> bytes:
    """The bytes that stand for a record; of headers those in `NAMES`, of each part the first 255 bytes."""
    known = [(NAMES.index(name), text[:255]) for name, text in headers if name in NAMES][:MAX_HEADERS]
    flags = (_NO_KEY if key is None else 0) | (_NO_VALUE if value is None else 0) | 1 << 2
    pieces = [bytes((flags, len(known)))]
    pieces += [bytes((name, len(text))) + text for name, text in known]
    pieces += [bytes((len((key or b"")[:255]),)), (key or b"")[:255], value or b""]
    return b"".join(pieces)


def _byte(rest: memoryview) -> tuple[int, memoryview]:
    return (rest[0], rest[1:]) if rest else (0, rest)


def _part(rest: memoryview) -> tuple[bytes, memoryview]:
    length, rest = _byte(rest)
    return bytes(rest[:length]), rest[length:]
