"""Dead letters for the operator: which are meant, and what has become of the records they were made from."""

from collections.abc import Sequence
from io import StringIO

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from consumers.deadletters.letters import BadFilterError, Filter, Letter, read_filter
from consumers.deadletters.listing import Count, Listing, letter_view, listing_view, replayed_view, row_of, shown
from consumers.deadletters.origin import Origin
from consumers.deadletters.replay import Replayed
from matcher.events.dead_letter import Failure, first_place, read_dead_letter
from matcher.events.envelope import Outgoing, Record
from producers.dead_letters import dead_letter_record, put_back_record, replayed_record

NOW = 1_700_000_000_000
REPLAYED = Replayed(
    chosen=5, sent=3, superseded=0, replayed_before=0, not_replayable=0, refused=0, put_back=0, failed=None,
    dry_run=False, sent_letters=("0/1", "0/2", "0/3"),
)  # fmt: skip
FAILURE = Failure(stage="encoder", reason="not_json", message="")


def offer(offset: int, key: bytes = b"a", value: bytes | None = b"{", **more: object) -> Record:
    record = Record(topic="offers", partition=3, offset=offset, key=key, value=value, headers=(("ce_id", b"1"),))
    return msgspec.structs.replace(record, **more)


def features(offset: int, version: int | None, key: bytes = b"a") -> Record:
    headers = () if version is None else (("ce_offerversion", f"3-{version}".encode()),)
    return Record(topic="offer-features", partition=0, offset=offset, key=key, value=b"m", headers=headers)


def at(out: Outgoing, offset: int) -> Record:
    """`out`, once it was written."""
    return Record(
        topic=out.topic, partition=out.partition or 0, offset=offset, key=out.key, value=out.value, headers=out.headers
    )


def letter_of(record: Record, offset: int = 0, stage: str = "encoder") -> Letter:
    failure = msgspec.structs.replace(FAILURE, stage=stage)
    written = at(dead_letter_record(record, failure, topic="dead-letters", now_ms=NOW), offset)
    return Letter(record=written, told=read_dead_letter(written.headers))


def replayed(letter: Letter, offset: int) -> Record:
    assert letter.told is not None
    return at(replayed_record(letter.record, letter.told), offset)


def origin(letter: Letter, *log: Record, is_offers: bool = True) -> Origin:
    made = Origin([letter], is_offers=is_offers)
    for record in log:
        made.take(record)
    return made


def test_a_letter_whose_record_is_still_the_last_of_its_key_is_sent():
    letter = letter_of(offer(7))
    assert origin(letter, offer(7), offer(8, b"b")).verdict(letter) == "send"


def test_a_newer_version_supersedes_it_also_one_that_is_a_deletion():
    letter = letter_of(offer(7))
    assert origin(letter, offer(7), offer(9)).verdict(letter) == "superseded"
    assert origin(letter, offer(7), offer(9, value=None)).verdict(letter) == "superseded"


def test_what_the_compacted_topic_has_forgotten_was_superseded():
    """Also where the deletion that superseded it is forgotten too."""
    letter = letter_of(offer(7))
    assert origin(letter, offer(12, b"b")).verdict(letter) == "superseded"


def test_it_is_not_replayed_twice_but_once_more_when_it_failed_again():
    letter = letter_of(offer(7))
    again = replayed(letter, 20)
    assert origin(letter, offer(7), again).verdict(letter) == "replayed"
    assert origin(letter, again).verdict(letter) == "replayed", "compaction keeps the copy alone"
    second = letter_of(again, 1)
    assert second.told.attempt == 2
    assert origin(second, offer(7), again).verdict(second) == "send"
    assert origin(letter, again, replayed(second, 30)).verdict(letter) == "replayed"


def test_a_copy_is_as_old_as_its_original():
    letter = letter_of(offer(7))
    assert origin(letter, offer(7), offer(9), replayed(letter, 20)).verdict(letter) == "superseded"


def test_bytes_headers_key_and_partition_go_back_as_they_were():
    record = offer(7, value=b"\xff\x00", headers=(("ce_id", b"1"), ("x", b"\xff"), ("x", b"2")))
    out = replayed_record(letter_of(record).record, letter_of(record).told)
    assert (out.topic, out.partition, out.key, out.value) == ("offers", 3, b"a", b"\xff\x00")
    assert out.headers[:3] == record.headers
    assert all(name.startswith("dl_") for name, _ in out.headers[3:])


def test_a_letter_that_was_cut_is_replayed_whole():
    record = offer(7, value=b"[" * 5_000_000)
    letter = letter_of(record)
    assert letter.cut
    found = origin(letter, record).original(letter)
    out = replayed_record(letter.record, letter.told, found)
    assert out.value == record.value
    assert not any(name == "dl_cut" for name, _ in out.headers)
    assert replayed_record(letter.record, letter.told).value != record.value


def test_what_was_overtaken_by_an_older_copy_is_put_back_and_stays_as_old_as_it_is():
    letter = letter_of(offer(7))
    newer = offer(19, value=b'{"title": "new"}')
    seen = origin(letter, offer(7), newer, replayed(letter, 20))
    (record,) = seen.overtaken()
    assert record == newer
    back = at(put_back_record(record), 21)
    assert (back.value, back.headers[:1]) == (newer.value, newer.headers)
    seen.take(back)
    assert list(seen.overtaken()) == []
    assert letter_of(back).told.place == newer.place
    seen.take(replayed(letter, 22))
    assert [record.offset for record in seen.overtaken()] == [21]
    assert put_back_record(back) == put_back_record(newer)


def test_features_are_as_new_as_the_version_that_they_are_of():
    letter = letter_of(features(5, version=40), stage="matcher")
    newer, older = features(6, version=41), features(6, version=39)
    assert origin(letter, features(5, 40), newer, is_offers=False).verdict(letter) == "superseded"
    assert origin(letter, features(5, 40), older, is_offers=False).verdict(letter) == "send"
    encoded_again = features(6, version=40)
    assert origin(letter, features(5, 40), encoded_again, is_offers=False).verdict(letter) == "superseded"


def test_features_that_tell_no_version_give_way_to_those_that_do_and_are_never_put_on_top():
    letter = letter_of(features(5, None), stage="matcher")
    seen = origin(letter, features(5, None), features(6, 40), is_offers=False)
    assert seen.verdict(letter) == "superseded"
    assert list(seen.overtaken()) == []
    alone = origin(letter, features(5, None), is_offers=False)
    assert alone.verdict(letter) == "send"


def test_it_says_where_to_read_on():
    letter = letter_of(offer(7))
    seen = Origin([letter, letter_of(offer(4, b"b"))], is_offers=True)
    assert seen.next == {3: 4}
    seen.take(offer(7))
    assert seen.next == {3: 8}
    assert seen.replayed_at(letter) is None
    seen.take(replayed(letter, 20))
    assert seen.replayed_at(letter) == 20


@given(st.lists(st.sampled_from(["update", "delete", "fail", "replay", "compact"]), max_size=25))
def test_whatever_happens_the_newest_version_of_an_offer_is_what_is_left(happened: Sequence[str]):
    """One key; an operator who replays every letter, as often as he likes, and a broker that compacts now and then."""
    log: list[Record] = [offer(0)]
    letters = [letter_of(log[0])]
    newest, end = 0, 1
    sent: list[tuple[int, int]] = []

    def write(record: Record) -> None:
        nonlocal end
        log.append(msgspec.structs.replace(record, offset=end))
        end += 1

    for what in happened:
        if what in ("update", "delete"):
            newest = end
            write(offer(end, value=None if what == "delete" else b"{"))
        elif what == "fail":
            letters.append(letter_of(log[-1], len(letters)))
        elif what == "compact":
            log = log[-1:]
        else:
            for letter in letters:
                assert letter.told is not None
                since = [one for one in log if one.offset >= letter.told.place.offset]
                if origin(letter, *since).verdict(letter) == "send":
                    sent.append((letter.told.place.offset, letter.told.attempt))
                    assert letter.told.place.offset == newest, "what was superseded is not sent"
                    write(replayed(letter, end))
    assert len(sent) == len(set(sent)), "no attempt is repeated"
    assert first_place(log[-1]).offset == newest


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, (None, None)),
        ("90m", "1h", (NOW - 90 * 60_000, NOW - 3_600_000)),
        ("7d", "30s", (NOW - 7 * 86_400_000, NOW - 30_000)),
        ("2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00", (NOW, NOW)),
    ],
)
def test_times_are_moments_or_how_long_ago(
    since: str | None, until: str | None, expected: tuple[int | None, int | None]
):
    found = read_filter(None, None, since, until, now_ms=NOW)
    assert (found.since_ms, found.until_ms) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("decoder", None, None, None), "expected a stage out of encoder, matcher, got 'decoder'"),
        (("encoder", "foreign_encoder", None, None), "expected a reason out of bad_offer_id, encode_failed"),
        ((None, "why", None, None), "expected a reason out of bad_features"),
        ((None, None, "yesterday", None), "expected a time like 2026"),
        ((None, None, None, "2026-01-31T12:00:00"), "expected a time like 2026"),
    ],
)
def test_a_filter_that_nothing_could_pass_is_refused(given: tuple[str | None, ...], said: str):
    with pytest.raises(BadFilterError, match=said):
        read_filter(*given, now_ms=NOW)


def test_filters_choose_by_stage_reason_and_half_open_times():
    letter = letter_of(offer(7))
    timed = msgspec.structs.replace(letter, record=msgspec.structs.replace(letter.record, timestamp_ms=100))
    unreadable = Letter(record=offer(1, timestamp_ms=100), told=None)
    for chosen, takes in [
        (Filter(), (True, True)),
        (Filter(stage="encoder"), (True, False)),
        (Filter(stage="matcher"), (False, False)),
        (Filter(reason="not_json"), (True, False)),
        (Filter(reason="no_content"), (False, False)),
        (Filter(since_ms=100), (True, True)),
        (Filter(since_ms=101), (False, False)),
        (Filter(until_ms=100), (False, False)),
        (Filter(until_ms=101), (True, True)),
    ]:
        assert (chosen.takes(timed), chosen.takes(unreadable)) == takes, chosen


def test_what_a_sender_wrote_is_shown_and_cannot_write_to_the_terminal():
    evil = "\x1b]0;owned\x07 \x1b[2J"
    record = offer(7, evil.encode(), f"[red]{evil}[/red]\nä".encode(), headers=((f"x{evil}", evil.encode()),))
    letter = letter_of(record)
    listing = Listing(
        count=1, by_reason=(Count(stage="encoder", reason="not_json", count=1),), letters=(row_of(letter),)
    )
    printed = StringIO()
    Console(file=printed, width=200).print(letter_view(letter), listing_view(listing))
    assert "\x1b" not in printed.getvalue()
    assert "\x07" not in printed.getvalue()
    assert printed.getvalue().count("owned") == 5
    assert "[red]" in printed.getvalue(), "nor is it read as markup"
    assert shown(letter).value == record.value.decode(), "JSON has escapes of its own"


def test_a_letter_without_readable_headers_and_a_deletion_can_be_looked_at():
    printed = StringIO()
    Console(file=printed, width=200).print(letter_view(Letter(record=offer(1, value=None, key=None), told=None)))
    assert "no value: a deletion" in printed.getvalue()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (REPLAYED, "5 dead letters chosen, 3 sent"),
        (msgspec.structs.replace(REPLAYED, dry_run=True, superseded=2), "3 would be sent, 2 superseded"),
        (msgspec.structs.replace(REPLAYED, put_back=1), "1 newer records"),
        (msgspec.structs.replace(REPLAYED, failed="0/9"), "deadletters show 0/9"),
    ],
)
def test_a_replay_is_told_in_a_line(found: Replayed, said: str):
    assert said in replayed_view(found)
