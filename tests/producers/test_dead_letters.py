"""Dead letters fit into their topic whatever the original was, and say what had to be cut."""

from hypothesis import given
from hypothesis import strategies as st

from matcher.events.dead_letter import Failure, dead_letter, read_dead_letter
from matcher.events.envelope import Outgoing, Record
from matcher.events.place import Place
from producers.dead_letters import MAX_BYTES, dead_letter_record
from producers.topics import TopicPlan, topic_specs

FAILURE = Failure(stage="encoder", reason="not_json", message="expected a JSON object")


def letter_for(key: bytes | None, value: bytes | None, *headers: tuple[str, bytes]) -> tuple[Record, Outgoing]:
    record = Record(topic="offers", partition=2, offset=7, key=key, value=value, headers=headers)
    return record, dead_letter_record(record, FAILURE, topic="dead-letters", now_ms=0)


def size_of(letter: Outgoing) -> int:
    return len(letter.key or b"") + len(letter.value or b"") + sum(len(n) + len(v) + 10 for n, v in letter.headers)


def test_what_fits_is_not_touched():
    record, letter = letter_for(b"k", b"x" * 1_048_000, ("ce_id", b"1"), ("a", bytes(1_000)))
    assert letter == dead_letter(record, FAILURE, topic="dead-letters", now_ms=0)


def test_null_stays_null_and_empty_stays_empty():
    assert (letter_for(None, None)[1].key, letter_for(None, None)[1].value) == (None, None)
    assert (letter_for(b"", b"")[1].key, letter_for(b"", b"")[1].value) == (b"", b"")


def test_a_value_that_was_packed_small_is_cut_and_its_size_told():
    _, letter = letter_for(b"k", b"[" * 8_000_000, ("ce_id", b"1"))
    assert dict(letter.headers)["dl_cut"] == b"value=8000000"
    assert dict(letter.headers)["ce_id"] == b"1"
    assert letter.value == b"[" * len(letter.value or b"")
    assert MAX_BYTES - 100 < size_of(letter) < MAX_BYTES + 100
    assert read_dead_letter(letter.headers).place == Place("offers", 2, 7)


def test_headers_and_keys_beyond_all_measure_are_cut_too():
    _, letter = letter_for(b"k" * 500_000, b"v", *((f"h{n}", bytes(100_000)) for n in range(30)))
    cut = dict(letter.headers)["dl_cut"].decode().split(",")
    assert [part.partition("=")[0] for part in cut] == ["headers", "key"]
    assert letter.value == b"v"
    assert not any(name.startswith("h") for name, _ in letter.headers)
    assert read_dead_letter(letter.headers).reason == "not_json"


@given(st.integers(0, 5_000_000), st.integers(0, 500_000), st.integers(0, 900_000))
def test_it_always_fits(value: int, key: int, header: int):
    limit = next(int(s.config["max.message.bytes"]) for s in topic_specs(TopicPlan()) if s.name == "dead-letters")
    _, letter = letter_for(bytes(key), bytes(value), ("h", bytes(header)))
    assert size_of(letter) < limit - 10_000
