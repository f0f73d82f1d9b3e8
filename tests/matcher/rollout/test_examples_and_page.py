"""What people see of changed decisions: some of each kind, with both voices; nothing that an offer says is trusted."""

import msgspec

from matcher.rollout.page import rollout_page
from matcher.rollout.result import Glimpse
from matcher.rollout.words import notes
from tests.matcher.rollout.making import BY_IMAGE, BY_TEXT, CURRENT, SHIRT, SHOE, STRICT, publish, rehearsed, seen

#: Nine that match the first, and one whose partner was updated since.
LOG = [*(seen(f"shirt {n}", n, SHIRT) for n in range(9)), seen("old", 9, SHOE), seen("late", 10, SHOE)]
UPDATED = seen("old", 11, SHOE)
TODAY = [record for record in LOG if record.key != b"old"] + [UPDATED]


def test_examples_are_as_many_as_asked_for_and_the_same_every_time():
    matches = publish([*LOG, UPDATED])
    found = rehearsed(TODAY, matches, STRICT, examples=4)
    assert {(flip.before, flip.after): flip.count for flip in found.flips} == {
        ("matched", "needs_review"): 9, ("matched", "new_product"): 1,
    }  # fmt: skip
    assert [e.after_kind for e in found.examples] == ["needs_review"] * 4 + ["new_product"]
    assert rehearsed(TODAY, matches, STRICT, examples=4) == found
    assert rehearsed(TODAY, matches, STRICT, examples=0).examples == ()


def test_an_example_holds_both_voices():
    found = rehearsed(TODAY, publish([*LOG, UPDATED]), STRICT, examples=1)
    example = found.examples[0]
    assert example.offer.title == f"title of {example.offer.offer_id}"
    assert (example.before.bundle, example.after.bundle) == (CURRENT.fingerprint, STRICT.fingerprint)
    assert (example.before.outcome, example.after.outcome) == ("matched", "needs_review")
    assert example.after.review_reason == "band"
    assert example.before.candidate.title.startswith("title of shirt")
    assert {item.name for item in example.after.evidence} >= {"image_similarity", "text_similarity"}
    assert not example.partner_absent


def test_an_example_names_an_offer_that_the_log_no_longer_has():
    found = rehearsed(LOG[1:9], publish(LOG[:9]), CURRENT)
    (example,) = found.examples
    assert example.before.candidate == Glimpse(offer_id="shirt 0")
    assert example.partner_absent
    assert "shirt 0" in rollout_page(found)


def test_changes_that_the_log_explains_are_shown_last():
    """Both flip from a match to a new product: `b`'s partner is gone, `e`'s is there and the bundle says no."""
    log = [
        seen("a", 0, SHIRT), seen("b", 1, SHIRT), seen("c", 2, SHOE, SHOE), seen("e", 3, SHOE, [0.0, 0.0, 0.0, 1.0]),
    ]  # fmt: skip
    found = rehearsed(log[1:], publish(log, BY_IMAGE), BY_TEXT)
    assert [(flip.count, flip.partner_absent) for flip in found.flips] == [(2, 1)]
    assert [e.offer.offer_id for e in found.examples] == ["e", "b"]


def test_the_page_takes_no_word_of_an_offer_for_markup_and_links_to_the_web_alone():
    found = rehearsed(TODAY, publish([*LOG, UPDATED]), STRICT, examples=1)
    evil = Glimpse(
        offer_id="<b>", title="<script>alert(1)</script>", image_urls=("javascript:alert(2)", "file:///x", "https://x/y"),
    )  # fmt: skip
    example = msgspec.structs.replace(found.examples[0], offer=evil)
    page = rollout_page(msgspec.structs.replace(found, examples=(example,), note="<i>"))
    assert "<script" not in page
    assert "javascript:" not in page
    assert "file:" not in page
    assert 'href="https://x/y"' in page
    assert "&lt;script&gt;" in page
    assert "matched → needs review" in page


def test_a_page_without_anything_to_compare_says_so():
    page = rollout_page(rehearsed(TODAY, [], STRICT))
    assert "nothing could be compared" in page


def test_the_notes_name_what_was_left_out():
    found = rehearsed(TODAY, publish([*LOG, UPDATED]), STRICT)
    assert any("may be the log's doing" in line and line.startswith("1 ") for line in notes(found))
    assert not any("people" in line for line in notes(found))
    assert any("3 offers were decided by people" in line for line in notes(msgspec.structs.replace(found, by_people=3)))
    own = rehearsed(LOG, publish(LOG), CURRENT)
    assert any("this very bundle's" in line for line in notes(own))
