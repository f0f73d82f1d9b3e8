"""The envelope: CloudEvents binary headers, ids that follow from the input, and foreign headers that harm nobody."""

import re
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.clock import SystemClock
from matcher.deciding.batch import Decided, decide_batch
from matcher.encoding import RawFeatures
from matcher.events.dead_letter import Failure, dead_letter
from matcher.events.envelope import Envelope, Headers, Outgoing, Record, format_time, parse_time, read_envelope
from matcher.events.features import read_features
from matcher.events.offer import Offer
from matcher.events.place import Place, Version
from matcher.metrics import Metrics
from matcher.settings import Topics
from producers.decisions import decision_records
from producers.features import features_record, withdrawn_record
from tests.matcher.exact_memory import ExactMemory
from tests.matcher.making import a_bundle, features_of, features_record_of, withdrawal_record_of

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FULL = Envelope(
    id="decision-3-1042",
    source="/offermatch/matcher",
    type="offer.matched",
    time_ms=1_700_000_000_123,
    subject="shop:ä",
    version=Version(3, 1042),
    cause=Place("offer-features", 0, 7),
    traceparent=TRACE,
)


def a_record(headers: Headers = (), *, offset: int = 5, value: bytes | None = b"{}") -> Record:
    return Record(
        topic="offers",
        partition=3,
        offset=offset,
        key=b"a",
        value=value,
        headers=headers,
        timestamp_ms=1_700_000_000_000,
    )


def test_the_headers_are_those_of_the_cloudevents_kafka_binding() -> None:
    assert FULL.headers() == (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"decision-3-1042"),
        ("ce_source", b"/offermatch/matcher"),
        ("ce_type", b"offer.matched"),
        ("ce_time", b"2023-11-14T22:13:20.123Z"),
        ("ce_subject", "shop:ä".encode()),
        ("ce_offerversion", b"3-1042"),
        ("ce_cause", b"offer-features/0/7"),
        ("content-type", b"application/json"),
        ("traceparent", TRACE.encode()),
    )


def test_what_is_not_known_has_no_header() -> None:
    bare = Envelope(id="1", source="/s", type="t", time_ms=0)
    assert [name for name, _ in bare.headers()] == [
        "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type",
    ]  # fmt: skip


def test_attribute_names_are_those_that_cloudevents_allows() -> None:
    names = [name.removeprefix("ce_") for name, _ in FULL.headers() if name.startswith("ce_")]
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in names)


def test_what_was_written_is_seen_again() -> None:
    seen = read_envelope(a_record(FULL.headers()))
    assert (seen.time_ms, seen.type, seen.version, seen.cause, seen.traceparent) == (
        FULL.time_ms, FULL.type, FULL.version, FULL.cause, FULL.traceparent,
    )  # fmt: skip


@given(st.integers(0, 253_402_300_799_999))
def test_every_millisecond_from_1970_to_9999_comes_back(time_ms: int) -> None:
    text = format_time(time_ms)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert parse_time(text) == time_ms


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.timezones()))
def test_any_offset_is_read_as_the_moment_it_names(moment: datetime) -> None:
    in_utc = moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert format_time(parse_time(moment.isoformat())) == in_utc


@pytest.mark.parametrize("time_ms", [-1, -(10**18), 253_402_300_800_000, 9_223_372_036_854_775_807])
def test_a_time_that_rfc_3339_cannot_write_becomes_the_nearest_that_it_can(time_ms: int) -> None:
    assert format_time(time_ms) in ("1970-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z")


UNREADABLE_TIMES = [
    b"", b"now", b"2024-01-01", b"2024-01-01T00:00:00", b"2024-13-01T00:00:00Z", b"1969-12-31T23:59:59Z",
    b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59", b"1700000000", b"\xff\xfe", b"9" * 10_000,
]  # fmt: skip


@pytest.mark.parametrize("raw", UNREADABLE_TIMES)
def test_without_a_readable_time_the_kafka_time_counts(raw: bytes) -> None:
    assert read_envelope(a_record((("ce_time", raw),))).time_ms == 1_700_000_000_000
    assert read_envelope(a_record()).time_ms == 1_700_000_000_000


@pytest.mark.parametrize(
    "header",
    [
        ("ce_offerversion", b"3"), ("ce_offerversion", b"0-99999999999999999999"), ("ce_offerversion", b"\xff"),
        ("ce_cause", b"offers"), ("ce_cause", b"offers/0/-1"), ("traceparent", b"x" * 129), ("traceparent", b"\n"),
        ("traceparent", "ä".encode()), ("traceparent", b""),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_read_counts_as_absent(header: tuple[str, bytes]) -> None:
    assert read_envelope(a_record((header,))) == read_envelope(a_record())


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ce_id", "ce_time", "ce_type", "ce_offerversion", "ce_cause", "traceparent", "x"]),
            st.binary(max_size=40) | st.text(max_size=40).map(str.encode),
        ),
        max_size=6,
    )
)
def test_no_headers_whatsoever_raise(headers: list[tuple[str, bytes]]) -> None:
    seen = read_envelope(a_record(tuple(headers)))
    assert seen.time_ms is not None
    format_time(seen.time_ms)


def published(records: list[Record]) -> list[Outgoing]:
    """What one matcher publishes for `records`."""
    steps = decide_batch(records, ExactMemory(), a_bundle(), Metrics())
    return list(decision_records(steps, partition=0, topics=Topics(), clock=SystemClock()))


def encoded(offset: int, headers: Headers = ()) -> Outgoing:
    raw = RawFeatures(image=None, text=np.ones(4, np.float16), image_count=0)
    return features_record(
        a_record(headers, offset=offset), Offer(offer_id="a"), raw,
        encoder="e", topic="offer-features", repairs=(), photo_failures=(),
    )  # fmt: skip


def header(outgoing: Outgoing, name: str) -> bytes | None:
    return dict(outgoing.headers).get(name)


def test_an_id_follows_from_the_version_alone() -> None:
    assert encoded(5) == encoded(5)
    assert encoded(5).headers == encoded(5).headers
    assert header(encoded(5), "ce_id") == b"features-3-5"
    assert header(encoded(6), "ce_id") == b"features-3-6"
    assert header(withdrawn_record(a_record(offset=7, value=None), topic="f"), "ce_id") == b"features-3-7"


def test_what_was_replayed_is_encoded_as_the_version_that_it_was() -> None:
    letter = dead_letter(
        a_record(offset=5), Failure(stage="encoder", reason="no_content", message=""), topic="d", now_ms=0
    )
    again = encoded(9, letter.headers)
    assert (header(again, "ce_id"), header(again, "ce_offerversion")) == (b"features-3-5", b"3-5")
    assert read_features(again.key, again.value or b"").version == Version(3, 5)
    assert header(again, "ce_cause") == b"offers/3/9", "the record that led to it is the copy"
    assert not any(name.startswith("dl_") for name, _ in again.headers), "and what it becomes is no dead letter"
    gone = withdrawn_record(a_record(letter.headers, offset=9, value=None), topic="f")
    assert header(gone, "ce_offerversion") == b"3-5"


def test_no_two_events_of_a_batch_share_an_id() -> None:
    close = [features_of(Offer(offer_id=f"o{n}"), Version(0, n), [1, 0, 0, n / 2], [1, 0, 0, 0]) for n in range(3)]
    records = [features_record_of(f, n) for n, f in enumerate(close)]
    records += [withdrawal_record_of("o0", Version(0, 9), 3)]
    ids = [header(outgoing, "ce_id") for outgoing in published(records)]
    assert len(ids) >= 4
    assert len(set(ids)) == len(ids)
    assert ids == [header(outgoing, "ce_id") for outgoing in published(records)]


def test_version_cause_and_trace_travel_to_the_decision_and_to_its_null() -> None:
    trace: Headers = (("traceparent", TRACE.encode()), ("ce_time", b"2024-02-29T12:00:00+01:00"))
    features = encoded(5, trace)
    assert header(features, "traceparent") == TRACE.encode()
    assert header(features, "ce_time") == b"2024-02-29T11:00:00.000Z"
    assert header(features, "ce_cause") == b"offers/3/5"

    offer = features_of(Offer(offer_id="a"), Version(3, 5), [1, 0, 0, 0])
    withdrawal = withdrawal_record_of("a", Version(3, 6), 9)
    withdrawal = msgspec.structs.replace(withdrawal, headers=withdrawal.headers + trace)
    decision, gone = published([features_record_of(offer, 8, headers=features.headers), withdrawal])
    for outgoing, version, cause in ((decision, b"3-5", b"offer-features/0/8"), (gone, b"3-6", b"offer-features/0/9")):
        assert header(outgoing, "ce_offerversion") == version
        assert header(outgoing, "ce_cause") == cause
        assert header(outgoing, "traceparent") == TRACE.encode()
        assert header(outgoing, "ce_time") == b"2024-02-29T11:00:00.000Z"
    assert gone.value is None
    assert gone.key == b"a"


def test_decisions_are_told_apart_by_type() -> None:
    records = [features_record_of(features_of(Offer(offer_id="a"), Version(0, 1), [1, 0, 0, 0]), 0)]
    steps = decide_batch(records, ExactMemory(), a_bundle(), Metrics())
    assert isinstance(steps[0], Decided)
    assert header(published(records)[0], "ce_type") == b"offer.new_product"
