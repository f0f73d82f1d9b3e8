"""Dead letters: the original as it was, the reason beside it, and nothing a sender can forge that breaks us."""

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.events.dead_letter import (
    MAX_ATTEMPT,
    REASONS,
    DeadLetter,
    Failure,
    dead_letter,
    first_place,
    offer_version,
    read_dead_letter,
)
from matcher.events.envelope import Headers, Outgoing, Record
from matcher.events.place import Place, Version

FAILURE = Failure(stage="encoder", reason="not_json", message="expected a JSON object in UTF-8")
NOW = 1_700_000_000_123

NAMES = st.text(st.characters(exclude_characters="\0"), max_size=12).filter(lambda name: not name.startswith("dl_"))
HEADERS = st.lists(st.tuples(NAMES, st.binary(max_size=20)), max_size=5).map(tuple)


def a_record(headers: Headers = (), value: bytes | None = b"\xff{", key: bytes | None = b"a") -> Record:
    return Record(topic="offers", partition=3, offset=7, key=key, value=value, headers=headers, timestamp_ms=NOW)


def letter_of(record: Record, failure: Failure = FAILURE) -> Outgoing:
    return dead_letter(record, failure, topic="dead-letters", now_ms=NOW)


def read_again(letter: Outgoing, *, topic: str = "offers", offset: int = 99) -> Record:
    """The letter as an operator's replay brings it back: same key, value and headers at a new place."""
    return Record(
        topic=topic, partition=3, offset=offset, key=letter.key, value=letter.value, headers=letter.headers,
        timestamp_ms=NOW,
    )  # fmt: skip


@given(st.none() | st.binary(max_size=50), st.none() | st.binary(max_size=20), HEADERS)
def test_key_value_and_headers_of_the_original_stay_as_they_were(
    value: bytes | None, key: bytes | None, headers: Headers
) -> None:
    letter = letter_of(a_record(headers, value, key))
    assert (letter.key, letter.value, letter.headers[: len(headers)]) == (key, value, headers)
    assert all(name.startswith("dl_") for name, _ in letter.headers[len(headers) :])


def test_the_headers_say_where_why_and_when() -> None:
    assert letter_of(a_record()).headers == (
        ("dl_stage", b"encoder"),
        ("dl_reason", b"not_json"),
        ("dl_exception", b"expected a JSON object in UTF-8"),
        ("dl_topic", b"offers"),
        ("dl_partition", b"3"),
        ("dl_offset", b"7"),
        ("dl_attempt", b"1"),
        ("dl_time", b"2023-11-14T22:13:20.123Z"),
    )
    assert read_dead_letter(letter_of(a_record()).headers) == DeadLetter(
        stage="encoder",
        reason="not_json",
        exception="expected a JSON object in UTF-8",
        place=Place("offers", 3, 7),
        attempt=1,
    )


def test_a_replay_that_fails_again_keeps_its_first_place_and_counts_the_attempt() -> None:
    record = a_record((("ce_id", b"1"),))
    letter = letter_of(record)
    for attempt in (2, 3, 4):
        failure = Failure(stage="matcher", reason="bad_features", message=f"attempt {attempt}")
        letter = letter_of(read_again(letter), failure)
        told = read_dead_letter(letter.headers)
        assert told is not None
        assert (told.attempt, told.place, told.stage) == (attempt, Place("offers", 3, 7), "matcher")
        assert (letter.value, letter.headers[0]) == (record.value, ("ce_id", b"1"))
        assert len({name for name, _ in letter.headers}) == len(letter.headers)


def test_the_attempt_is_counted_up_to_a_limit() -> None:
    many = tuple((n, str(MAX_ATTEMPT).encode() if n == "dl_attempt" else v) for n, v in letter_of(a_record()).headers)
    again = msgspec.structs.replace(a_record(many), offset=99)
    told = read_dead_letter(letter_of(again).headers)
    assert told is not None
    assert told.attempt == MAX_ATTEMPT


def test_a_long_or_odd_message_is_cut_and_written_all_the_same() -> None:
    letter = letter_of(a_record(), Failure(stage="encoder", reason="not_json", message="\ud800ä" * 5_000))
    told = read_dead_letter(letter.headers)
    assert told is not None
    assert told.exception == "?ä" * 500


COMPLETE = {
    "dl_stage": b"encoder", "dl_reason": b"not_json", "dl_exception": b"", "dl_topic": b"offers",
    "dl_partition": b"0", "dl_offset": b"1", "dl_attempt": b"1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("dl_attempt", b"9" * 4_300),
        ("dl_attempt", b"0"),
        ("dl_attempt", b"-1"),
        ("dl_attempt", "٣".encode()),
        ("dl_attempt", b"one"),
        ("dl_attempt", b""),
        ("dl_offset", b"-1"),
        ("dl_offset", b"99999999999999999999"),
        ("dl_partition", b"1.0"),
        ("dl_topic", b""),
        ("dl_topic", b"offers/1"),
        ("dl_topic", b"\xff"),
        ("dl_stage", b"\xff"),
        ("dl_reason", b"\xff"),
    ],
)
def test_forged_headers_that_make_no_sense_count_as_none(name: str, raw: bytes) -> None:
    assert read_dead_letter(tuple(COMPLETE.items())) is not None
    forged = tuple((COMPLETE | {name: raw}).items())
    assert read_dead_letter(forged) is None
    told = read_dead_letter(letter_of(a_record(forged)).headers)
    assert told is not None
    assert (told.attempt, told.place) == (1, Place("offers", 3, 7))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*COMPLETE, "dl_", "dl_time", "dl_unheard_of", "x"]),
            st.binary(max_size=30) | st.sampled_from([b"1", b"offers", b"9" * 4_300, b"9" * 5_000]),
        ),
        max_size=10,
    )
)
def test_no_headers_whatsoever_stop_a_dead_letter(headers: list[tuple[str, bytes]]) -> None:
    letter = letter_of(a_record(tuple(headers)))
    assert read_dead_letter(letter.headers) is not None
    assert [header for header in letter.headers if header[0] == "x"] == [h for h in headers if h[0] == "x"]


@pytest.mark.parametrize(
    ("name", "raw"),
    [("dl_topic", b"matches"), ("dl_partition", b"4"), ("dl_offset", b"7"), ("dl_offset", b"8"), ("dl_offset", b"x")],
)
def test_a_sender_can_make_a_record_older_but_not_newer_and_not_somebody_elses(name: str, raw: bytes) -> None:
    honest = COMPLETE | {"dl_topic": b"offers", "dl_partition": b"3", "dl_offset": b"6", "dl_attempt": b"5"}
    older = a_record(tuple(honest.items()))
    assert (first_place(older), offer_version(older)) == (Place("offers", 3, 6), Version(3, 6))
    forged = a_record(tuple((honest | {name: raw}).items()))
    assert (first_place(forged), offer_version(forged)) == (forged.place, Version(3, 7))
    told = read_dead_letter(letter_of(forged).headers)
    assert told is not None
    assert (told.place, told.attempt) == (forged.place, 1)


def test_a_record_without_such_headers_is_no_dead_letter() -> None:
    assert read_dead_letter(()) is None
    assert read_dead_letter((("ce_id", b"1"), ("dl_reason", b"not_json"))) is None


def test_every_reason_is_documented_with_its_stage() -> None:
    page = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
    table = page.partition("## What is refused")[2].partition("\nA dead letter")[0]
    told: dict[str, set[str]] = {}
    stage = ""
    for row in table.splitlines():
        cells = [cell.strip() for cell in row.split("|")[1:-1]]
        if len(cells) == 3 and "`" in cells[1]:
            stage = cells[0] or stage
            told.setdefault(stage, set()).update(re.findall("`([a-z_]+)`", cells[1]))
    assert told == {stage: set(reasons) for stage, reasons in REASONS.items()}
