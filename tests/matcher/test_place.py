"""Versions and places: written, read back, ordered, and nothing read that Kafka cannot count."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.events.place import MAX_OFFSET, MAX_PARTITION, Place, Version

PARTITIONS = st.integers(0, MAX_PARTITION)
OFFSETS = st.integers(0, MAX_OFFSET)
TOPICS = st.text(st.sampled_from("abcXYZ019._-"), min_size=1, max_size=20)


@given(PARTITIONS, OFFSETS, TOPICS)
def test_what_is_written_is_read_back(partition: int, offset: int, topic: str) -> None:
    version, place = Version(partition, offset), Place(topic, partition, offset)
    assert Version.parse(str(version)) == version
    assert Place.parse(str(place)) == place
    assert msgspec.json.decode(msgspec.json.encode(version), type=Version) == version
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(place), type=Place) == place


def test_the_written_forms_are_part_of_the_format() -> None:
    assert str(Version(3, 1042)) == "3-1042"
    assert str(Place("offers", 3, 1042)) == "offers/3/1042"


@given(PARTITIONS, st.lists(OFFSETS, max_size=5))
def test_versions_of_one_offer_are_ordered_by_offset(partition: int, offsets: list[int]) -> None:
    versions = sorted(Version(partition, offset) for offset in offsets)
    assert [version.offset for version in versions] == sorted(offsets)


NOT_NUMBERS = [
    "",
    "-",
    "3",
    "3-",
    "-3",
    "3--4",
    "-3-4",
    "3-4-5",
    "a-b",
    "3.0-4",
    "+3-4",
    " 3-4",
    "3-4 ",
    "٣-٤",
    "3-4\n",
]
TOO_BIG = [f"{MAX_PARTITION + 1}-0", f"0-{MAX_OFFSET + 1}", "0-" + "9" * 5_000]


@pytest.mark.parametrize("text", [*NOT_NUMBERS, *TOO_BIG])
def test_anything_else_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="expected a version like '3-1042'"):
        Version.parse(text)


@pytest.mark.parametrize(
    "text", ["", "/", "offers", "offers/3", "offers/3/", "/3/4", "offers/3/4/5", "offers/x/4", f"o/0/{MAX_OFFSET + 1}"]
)
def test_anything_else_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match="expected a place like 'offers/3/1042'"):
        Place.parse(text)


@given(st.text())
def test_any_text_is_a_version_or_a_value_error(text: str) -> None:
    try:
        version = Version.parse(text)
    except ValueError:
        return
    assert Version.parse(str(version)) == version


@pytest.mark.parametrize("offset", [-1, MAX_OFFSET + 1])
def test_a_decoded_event_cannot_hold_an_offset_that_no_log_has(offset: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"partition": 0, "offset": %d}' % offset, type=Version)
