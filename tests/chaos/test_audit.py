"""The auditor accepts a right history and reports each fault that is planted in it, by its name."""

from collections.abc import Callable, Sequence
from functools import cache

import msgspec
import pytest

from chaos.audit import Evidence, audit
from chaos.audit.evidence import Ends
from matcher.events.decision import read_decision
from matcher.events.envelope import Record
from matcher.events.place import Place, Version
from tests.chaos.making import NAMES, history

right = cache(history)
replace = msgspec.structs.replace


def test_a_right_history_has_every_kind_of_ending_and_no_findings():
    found = audit(right())
    assert found.findings == ()
    assert found.ok
    assert (found.lost, found.repeated, found.dead_letters, found.gone) == (0, 0, 2, 1)
    outcomes = {read_decision(record.value).outcome for record in right().matches if record.value}
    assert outcomes == {"matched", "new_product", "needs_review"}
    assert found.superseded == 1, "the first version of an offer that changed since, sent again"
    assert found.versions == 9


def without(records: Sequence[Record], number: int) -> list[Record]:
    return [*records[:number], *records[number + 1 :]]


def moved(record: Record, offset: int) -> Record:
    return replace(record, offset=offset)


def swapped(records: Sequence[Record], one: int, other: int) -> list[Record]:
    """Their contents change places; the places stay."""
    swap = {one: other, other: one}
    return [moved(records[swap.get(n, n)], record.offset) for n, record in enumerate(records)]


def edited(record: Record, **changes: object) -> Record:
    assert record.value is not None
    return replace(record, value=msgspec.json.encode(replace(read_decision(record.value), **changes)))


def number_of(records: Sequence[Record], outcome: str) -> int:
    """The first decision of this kind; "gone" for a null."""
    return next(n for n, r in enumerate(records) if (read_decision(r.value).outcome if r.value else "gone") == outcome)


Fault = Callable[[Evidence], Evidence]


def on_matches(change: Callable[[Sequence[Record]], Sequence[Record]]) -> Fault:
    """Also what an undisturbed matcher would say is changed: the other rules have to find it by themselves."""
    return lambda e: replace(e, matches=change(e.matches), calm=None)


def in_state(**changes: object) -> Fault:
    return lambda e: replace(e, states=[replace(e.states[0], **changes)], calm_state=None)


def at_decision(outcome: str, **changes: object) -> Fault:
    def change(records: Sequence[Record]) -> Sequence[Record]:
        number = number_of(records, outcome)
        return [*records[:number], edited(records[number], **changes), *records[number + 1 :]]

    return on_matches(change)


def again_at_the_end(records: Sequence[Record]) -> Sequence[Record]:
    return [*records, moved(records[0], records[-1].offset + 1)]


def first_state(evidence: Evidence):
    return evidence.states[0]


FAULTS: dict[str, tuple[str, Fault]] = {
    "a decision is lost": ("lost", on_matches(lambda records: without(records, 0))),
    "the last decision is lost": ("lost", on_matches(lambda records: without(records, len(records) - 1))),
    "a deletion is lost": ("lost", on_matches(lambda records: without(records, number_of(records, "gone")))),
    "a decision is doubled at once": (
        "repeated",
        on_matches(lambda records: [records[0], moved(records[0], records[0].offset), *records[1:]]),
    ),
    "a decision is repeated later": ("repeated", on_matches(again_at_the_end)),
    "two decisions changed places": ("disorder", on_matches(lambda records: swapped(records, 1, 2))),
    "features are lost": ("lost", lambda e: replace(e, features=without(e.features, 2), calm=None)),
    "features are doubled": (
        "repeated",
        lambda e: replace(e, features=[*e.features, moved(e.features[0], e.features[-1].offset + 1)], calm=None),
    ),
    "features changed places": ("disorder", lambda e: replace(e, features=swapped(e.features, 0, 1), calm=None)),
    "an encoder's dead letter is lost": ("lost", lambda e: replace(e, dead_letters=without(e.dead_letters, 0))),
    "a matcher's dead letter is lost": ("lost", lambda e: replace(e, dead_letters=without(e.dead_letters, 1))),
    "a dead letter is doubled": (
        "repeated",
        lambda e: replace(e, dead_letters=[*e.dead_letters, moved(e.dead_letters[0], 50)]),
    ),
    "a matcher's dead letter is doubled": (
        "repeated",
        lambda e: replace(e, dead_letters=[*e.dead_letters, moved(e.dead_letters[1], 50)]),
    ),
    "a decision on what was never sent": ("groundless", lambda e: replace(e, features=e.features[1:], calm=None)),
    "features of what was never sent": (
        "groundless",
        lambda e: replace(e, offers=e.offers[1:], accepted={}),
    ),
    "a dead letter of what was never sent": (
        "groundless",
        lambda e: replace(e, offers=without(e.offers, 3), accepted={}),
    ),
    "Kafka forgot an offer that it had acknowledged": (
        "unkept",
        lambda e: replace(e, accepted={**e.accepted, NAMES.offers: len(e.offers) + 1}),
    ),
    "a new product under a foreign id": ("product", at_decision("new_product", product_id="0" * 36)),
    "a review's provisional product under a foreign id": ("product", at_decision("needs_review", product_id="0" * 36)),
    "a match into a product that nobody founded": ("product", at_decision("matched", product_id="0" * 36)),
    "a match with an offer that is elsewhere": ("product", at_decision("matched", matched_offer_id="c")),
    "a match with itself": ("product", at_decision("matched", matched_offer_id="b")),
    "a review of another version": ("contradiction", at_decision("needs_review", review_id="0" * 36)),
    "headers of another version": ("contradiction", at_decision("matched", version=Version(0, 77))),
    "headers of another cause": ("contradiction", at_decision("matched", cause=Place(NAMES.features, 0, 77))),
    "a decision under another key": (
        "contradiction",
        on_matches(lambda records: [replace(records[0], key=b"other"), *records[1:]]),
    ),
    "a decision that cannot be read": (
        "unreadable",
        on_matches(lambda records: [replace(records[0], value=b"{}"), *records[1:]]),
    ),
    "a work-list item is missing": ("lost", lambda e: replace(e, needs_review=(), calm=None)),
    "a work-list item is doubled": (
        "repeated",
        lambda e: replace(e, needs_review=[*e.needs_review, *e.needs_review], calm=None),
    ),
    "another decision than without any fault": (
        "different",
        lambda e: replace(e, matches=[edited(e.matches[0], model="another"), *e.matches[1:]]),
    ),
    "the encoders' offset is behind": ("offset", lambda e: replace(e, encoder_offsets={0: 3})),
    "the encoders' offset is missing": ("offset", lambda e: replace(e, encoder_offsets={})),
    "the matcher's offset is behind": ("offset", lambda e: replace(e, matcher_offsets={0: 3})),
    "the matcher's offset is ahead of the log": ("offset", lambda e: replace(e, matcher_offsets={0: 500})),
    "an offset where nothing was sent": (
        "offset",
        lambda e: replace(e, encoder_offsets={**e.encoder_offsets, 2: 4}),
    ),
    "a transaction is left open": (
        "open",
        lambda e: replace(e, ends={**e.ends, (NAMES.matches, 0): Ends(committed=9, written=12)}),
    ),
    "the index differs from the state": ("state", in_state(problems=("1 live offers are missing from the index",))),
    "an offer is missing from the state": (
        "state",
        lambda e: in_state(offers={k: v for k, v in first_state(e).offers.items() if k != "a"})(e),
    ),
    "the state has an offer that matches has not": (
        "state",
        lambda e: in_state(offers={**first_state(e).offers, "ghost": (Version(0, 1), None)})(e),
    ),
    "the state has another product": (
        "state",
        lambda e: in_state(offers={**first_state(e).offers, "a": (Version(0, 4), "another")})(e),
    ),
    "a deleted offer is still found": (
        "state",
        lambda e: in_state(live={**first_state(e).live, "b": b"vector"})(e),
    ),
    "a live offer is not found": (
        "state",
        lambda e: in_state(live={k: v for k, v in first_state(e).live.items() if k != "a"})(e),
    ),
    "another embedding than without any fault": (
        "state",
        lambda e: replace(e, states=[replace(first_state(e), live={**first_state(e).live, "a": b"vector"})]),
    ),
    "the state is behind the log": ("state", in_state(applied={NAMES.features: 2})),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_reported(name: str):
    kind, plant = FAULTS[name]
    found = audit(plant(right()))
    assert kind in found.counts, found.counts
    assert not found.ok
    assert any(finding.kind == kind for finding in found.findings)


def test_what_is_lost_and_repeated_is_counted_by_version():
    lost_two = replace(right(), matches=right().matches[:-2], calm=None)
    assert audit(lost_two).lost == 2
    twice = replace(right(), matches=again_at_the_end(right().matches), calm=None)
    assert audit(twice).repeated == 1


def test_a_version_that_a_newer_one_overtook_in_the_encoder_counts_only_where_that_may_be():
    """`a` was sent twice: its first version left no features, and neither did the copy of that."""
    evidence = right()
    kept = [r for r in evidence.features if dict(r.headers).get("ce_offerversion") != b"0-0"]
    overtaken = replace(evidence, features=kept)
    assert "lost" in audit(overtaken).counts
    may_be = audit(replace(overtaken, supersedes=True))
    assert not [finding for finding in may_be.findings if "offers/0/0" in finding.what and finding.kind == "lost"]
