"""Dead letters that always fit into their topic."""

import msgspec

from matcher.events.dead_letter import PREFIX, Failure, dead_letter
from matcher.events.envelope import Headers, Outgoing, Record

#: What the topic takes (twice the 1 MiB of its inputs), less the frame around a record. A record can be larger all the
#: same: Kafka's limit is on what arrives, and that is packed.
MAX_BYTES = 2_000_000
MAX_KEY_BYTES = 100_000
MAX_HEADERS_BYTES = 400_000


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
    headers += ((f"{PREFIX}cut", ",".join(cuts).encode()),)
    return msgspec.structs.replace(letter, key=key, value=value, headers=headers)


def _bytes_of(headers: Headers) -> int:
    # Ten bytes for the two lengths in front.
    return sum(len(name.encode()) + len(value) + 10 for name, value in headers)
