"""What a record of `matches` says to whoever follows it."""

from collections.abc import Sequence

from matcher.events.decision import read_decision
from matcher.events.envelope import Record, read_envelope
from matcher.events.reading import Unreadable
from matcher.memory import Published


def published_in(record: Record) -> Sequence[Published]:
    """The decision in a record of `matches`. One that cannot be read is from a newer offermatch: stop, do not skip.

    Raises `Unreadable` with the reason `bad_decision`.
    """
    seen = read_envelope(record)
    try:
        offer_id = (record.key or b"").decode()
    except UnicodeDecodeError:
        raise Unreadable("bad_decision", f"expected the key of {record.place} to be an offer_id in UTF-8") from None
    time_ms = seen.time_ms or record.timestamp_ms
    if record.value is None:
        if seen.version is None:
            return ()
        return (Published(offer_id=offer_id, version=seen.version, decision=None, time_ms=time_ms),)
    decision = read_decision(record.value)
    return (Published(offer_id=offer_id, version=decision.version, decision=decision, time_ms=time_ms),)
