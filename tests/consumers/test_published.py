"""What is followed on `matches` is read as it was written, or stops whoever follows with a reason."""

import msgspec
import pytest

from consumers.matching.published import published_in
from fuzz.samples import DECISION, ENVELOPE, VERSION
from matcher.events.envelope import Record
from matcher.events.reading import Unreadable


def record(key: bytes | None, value: bytes | None) -> Record:
    return Record(topic="matches", partition=0, offset=5, key=key, value=value, headers=ENVELOPE.headers())


def test_a_decision_and_a_null_name_their_version() -> None:
    (decided,) = published_in(record(b"a", msgspec.json.encode(DECISION)))
    (gone,) = published_in(record(b"a", None))
    assert (decided.offer_id, decided.version, decided.decision) == ("a", VERSION, DECISION)
    assert (gone.offer_id, gone.version, gone.decision) == ("a", VERSION, None)


@pytest.mark.parametrize("value", [None, msgspec.json.encode(DECISION)])
def test_a_key_that_is_no_text_stops_with_its_place(value: bytes | None) -> None:
    with pytest.raises(Unreadable, match="matches/0/5") as stopped:
        published_in(record(b"\xff", value))
    assert stopped.value.reason == "bad_decision"


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff", b"[" * 5_000, b'{"x":' + b"[" * 5_000])
def test_a_value_that_is_no_decision_stops(value: bytes) -> None:
    with pytest.raises(Unreadable) as stopped:
        published_in(record(b"a", value))
    assert stopped.value.reason == "bad_decision"
