"""Dead letters on their way to their topic, where they always fit, and back from it."""

import msgspec

from matcher.events.dead_letter import PREFIX, DeadLetter, Failure, dead_letter, first_place, place_headers
from matcher.events.envelope import Headers, Outgoing, Record

#: What the topic takes (twice the 1 MiB of its inputs), less the frame around a record. A record can be larger all the
#: same: Kafka's limit is on what arrives, and that is packed.
MAX_BYTES = 2_000_000
MAX_KEY_BYTES = 100_000
MAX_HEADERS_BYTES = 400_000
CUT = f"{PREFIX}cut"


def dead_letter_record(record: Record, failure: Failure, *, topic: str, now_ms: int) -> Outgoing:
    """The dead letter for `record`. What does not fit is cut, and a header `dl_cut` names it with its size in bytes.

    The original headers stay or go together; the whole record is still where `dl_topic` and the others point to.
    """
    letter = dead_letter(record, failure, topic=topic, now_ms=now_ms)
    cuts = []
    headers, key, value = letter.headers, letter.key, letter.value
    if _bytes_of(headers) > MAX_HEADERS_BYTES:
        cuts.append(f"headers={_bytes_of(headers)}")
        headers = tuple(pair for pair in headers if pair[0].startswith(PREFIX))
    if key is not None and len(key) > MAX_KEY_BYTES:
        cuts.append(f"key={len(key)}")
        key = key[:MAX_KEY_BYTES]
    room = MAX_BYTES - _bytes_of(headers) - len(key or b"")
    if value is not None and len(value) > room:
        cuts.append(f"value={len(value)}")
        value = value[:room]
    if not cuts:
        return letter
    headers += ((CUT, ",".join(cuts).encode()),)
    return msgspec.structs.replace(letter, key=key, value=value, headers=headers)


def replayed_record(letter: Record, told: DeadLetter, original: Record | None = None) -> Outgoing:
    """The original once more, where it came from: key, value, headers and partition as they were.

    The letter's headers stay with it, so that it is no newer than it was and its attempts are counted. `original`: the
    record itself, for a letter that was cut.
    """
    source = original or letter
    own = tuple(pair for pair in letter.headers if pair[0].startswith(PREFIX) and pair[0] != CUT)
    return _again(source, told.place.topic, told.place.partition, own)


def put_back_record(record: Record) -> Outgoing:
    """A record that stood in a topic and was overtaken by an older one, on top again, as old as it was."""
    if first_place(record) != record.place:
        own = tuple(pair for pair in record.headers if pair[0].startswith(PREFIX))
    else:
        own = place_headers(record.place)
    return _again(record, record.topic, record.partition, own)


def _again(source: Record, topic: str, partition: int, own: Headers) -> Outgoing:
    original = tuple(pair for pair in source.headers if not pair[0].startswith(PREFIX))
    return Outgoing(topic=topic, partition=partition, key=source.key, value=source.value, headers=original + own)


def _bytes_of(headers: Headers) -> int:
    # Ten bytes for the two lengths in front.
    return sum(len(name.encode()) + len(value) + 10 for name, value in headers)
