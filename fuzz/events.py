"""The topics: whatever a record holds, its reader gives an event that can be written again, or a documented failure."""

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec
import numpy as np

from consumers.deadletters.letters import Filter, Letter
from consumers.deadletters.listing import letter_view, row_of
from consumers.limit import Tally, notes_of, read_note
from consumers.matching.published import published_in
from fuzz.framing import framed, record_in
from fuzz.mutating import mutated
from fuzz.samples import DECISION, ENVELOPE, LETTER, OFFER, TASK, VERDICT, bundle, features
from fuzz.target import Target, expect
from matcher.deciding.arrivals import read_arrival
from matcher.evaluation.run.reading import read_history
from matcher.events.dead_letter import REASONS, Failure, dead_letter, first_place, offer_version, read_dead_letter
from matcher.events.decision import Decision
from matcher.events.envelope import Record, format_time, parse_time, read_envelope
from matcher.events.features import encode_features
from matcher.events.offer import Offer
from matcher.events.reading import Unreadable, read_key, read_offer
from matcher.events.review import ReviewTask, Verdict
from matcher.settings import Topics


def check_offers(data: bytes) -> None:
    record = record_in(data, "offers")
    check_headers(record)
    try:
        if record.value is None:
            expect(bool(read_key(record.key)), "a key that names nothing")
            return
        offer, repairs = read_offer(record.key, record.value)
    except Unreadable as error:
        _documented(error.reason, str(error), "encoder")
        return
    expect(len(set(repairs)) == len(repairs), "a repair that is noted twice")
    _writable(offer, Offer)


def check_features(data: bytes) -> None:
    record = record_in(data, "offer-features")
    arrival = read_arrival(record, bundle())
    if isinstance(arrival, Failure):
        _documented(arrival.reason, arrival.message, "matcher")
        return
    if arrival.features is None:
        return
    image, text = arrival.features.image_vector(), arrival.features.text_vector()
    for vector in (image, text):
        expect(vector is None or (vector.shape == (4,) and bool(np.isfinite(vector).all())), "a vector that is none")
    _writable(arrival.features.offer, Offer)  # the matcher keeps it as JSON


def check_matches(data: bytes) -> None:
    record = record_in(data, "matches")
    try:
        found = published_in(record)
        _history(matches=[record])
    except Unreadable as error:
        expect(error.reason == "bad_decision", f"the reason {error.reason}")
        return
    for one in found:
        if one.decision is not None:
            _writable(one.decision, Decision)


def check_needs_review(data: bytes) -> None:
    record = record_in(data, "needs-review")
    try:
        _history(needs_review=[record])
    except Unreadable as error:
        expect(error.reason == "bad_decision", f"the reason {error.reason}")
        return
    if record.value is not None:
        _writable(msgspec.json.decode(record.value, type=ReviewTask), ReviewTask)


def check_verdicts(data: bytes) -> None:
    try:
        verdict = msgspec.json.decode(record_in(data, "verdicts").value or b"", type=Verdict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    _writable(verdict, Verdict)


def check_dead_letters(data: bytes) -> None:
    """A letter can always be listed, shown, filtered and counted; what is made of it again is no larger an attempt."""
    record = record_in(data, "dead-letters")
    check_headers(record)
    told = read_dead_letter(record.headers)
    letter = Letter(record=record, told=told)
    msgspec.json.encode(row_of(letter))
    letter_view(letter)
    Filter(stage="encoder", reason="not_json", since_ms=0, until_ms=2**62).takes(letter)
    _history(dead_letters=[record])
    again = dead_letter(record, Failure(stage="encoder", reason="not_json", message="x"), topic="d", now_ms=0)
    expect((again.key, again.value) == (record.key, record.value), "another key or value than the original's")
    expect(read_dead_letter(again.headers) is not None, "a dead letter that cannot be read")


def check_headers(record: Record) -> None:
    seen = read_envelope(record)
    if seen.time_ms is not None and 0 <= seen.time_ms < 253_402_300_800_000:
        expect(parse_time(format_time(seen.time_ms)) == seen.time_ms, "a time that does not come back")
    place, version = first_place(record), offer_version(record)
    expect(place.offset <= record.offset and version.offset == place.offset, "a record that became newer")


def check_notes(data: bytes) -> None:
    """The note of the dead-letter limit beside an offset: any tool can have written it."""
    tally = read_note(data.decode("utf-8", "surrogateescape"))
    expect(tally.run >= 0 and 0 <= tally.share <= 1 and math.isfinite(float(tally.run)), f"the tally {tally}")
    expect(read_note(notes_of("t", {0: tally})["t", 0]) == tally, "a note that does not come back")


def _history(
    *, matches: Sequence[Record] = (), needs_review: Sequence[Record] = (), dead_letters: Sequence[Record] = ()
) -> None:
    read_history(
        Topics(), offers=(), dead_letters=dead_letters, matches=matches, needs_review=needs_review,
        features=tuple, with_sellers=False,
    )  # fmt: skip


def _documented(reason: str, message: str, stage: str) -> None:
    expect(reason in REASONS[stage], f"the reason {reason!r} is not one of the {stage}'s")
    expect(message.startswith("expected"), f"the message does not say what was expected: {message[:200]}")


def _writable(value: Any, kind: Any) -> None:
    """What was read can be published: it is written and read again as it was."""
    expect(msgspec.json.decode(msgspec.json.encode(value), type=kind) == value, "what was read cannot be written")


def _change(data: bytes, random: Random) -> bytes | None:
    """Another value in the same frame."""
    record = record_in(data, "")
    value = None if record.value is None else mutated(record.value, random)
    return None if value is None else framed(record.key, value, record.headers)


def _target(name: str, check: Callable[[bytes], None], *seeds: bytes) -> Target:
    words = tuple(field.encode() for field in (*Offer.__struct_fields__, "amount", "currency", "NaN", "Infinity"))
    return Target(name=name, check=check, seeds=lambda: seeds, change=_change, words=words)


_JSON = msgspec.json.encode
_HEADERS = ENVELOPE.headers()
TARGETS = (
    _target(
        "offers", check_offers, framed(b"a", _JSON(OFFER), _HEADERS), framed(b"a", None, (*_HEADERS, *LETTER)),
        framed(None, b'{"offer_id": 17, "price": "1.299,00 \xe2\x82\xac", "sizes": "S|M", "n_sizes": NaN}'),
    ),
    _target(
        "offer-features", check_features, framed(b"a", encode_features(features()), _HEADERS),
        framed(b"a", None, _HEADERS),
    ),
    _target("matches", check_matches, framed(b"a", _JSON(DECISION), _HEADERS), framed(b"a", None, _HEADERS)),
    _target("needs-review", check_needs_review, framed(b"a", _JSON(TASK), _HEADERS)),
    _target("verdicts", check_verdicts, framed(b"a", _JSON(VERDICT), _HEADERS)),
    _target(
        "dead-letters", check_dead_letters, framed(b"a", b"{}", (*_HEADERS[:4], *LETTER)), framed(None, None, LETTER)
    ),
    Target(name="offset-notes", check=check_notes, seeds=lambda: (_JSON(Tally(3, 0.25)), b""), max_length=4_096),
)  # fmt: skip
