"""Three outcomes: a match, a question for a person, or a new product; the edges belong where the bundle says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.deciding.outcome import choose, codes_conflict, explain
from matcher.events.decision import Candidate, Evidence
from matcher.events.offer import Offer
from matcher.events.place import Version
from matcher.gtin import valid_gtin
from matcher.model.bundle import Thresholds

LIMITS = Thresholds(accept=0.9, review=0.3, margin=0.05)


def candidate(probability: float, product: str = "p", offer: str = "a") -> Candidate:
    return Candidate(
        offer_id=offer, product_id=product, version=Version(0, 1), score=probability, probability=probability
    )


@pytest.mark.parametrize(
    ("probabilities", "outcome", "reason"),
    [
        ([], "new_product", None),
        ([0.0], "new_product", None),
        ([0.299999], "new_product", None),
        ([0.3], "needs_review", "band"),
        ([0.6, 0.6], "needs_review", "band"),
        ([0.899999], "needs_review", "band"),
        ([0.9], "matched", None),
        ([1.0], "matched", None),
    ],
)
def test_the_best_candidate_decides_and_the_edges_belong_to_the_higher_outcome(
    probabilities: list[float], outcome: str, reason: str | None
) -> None:
    candidates = [candidate(p) for p in probabilities]
    choice = choose(candidates, LIMITS, conflict=False)
    assert (choice.outcome, choice.reason) == (outcome, reason)
    assert choice.best == (candidates[0] if candidates else None)


@pytest.mark.parametrize(
    ("best", "rival", "same_product", "outcome"),
    [
        (0.97, 0.95, False, "needs_review"),
        (0.97, 0.97, False, "needs_review"),
        (0.97, 0.95, True, "matched"),  # two offers of one product agree
        (0.9375, 0.9, False, "needs_review"),
        (1.0, 0.9375, False, "matched"),  # far enough behind
        (0.92, 0.89, False, "matched"),  # the other would not be accepted
    ],
)
def test_a_match_is_ambiguous_when_another_product_would_be_accepted_close_behind(
    best: float, rival: float, same_product: bool, outcome: str
) -> None:
    candidates = [candidate(best, "p", "a"), candidate(rival, "p" if same_product else "q", "b")]
    choice = choose(candidates, LIMITS, conflict=False)
    assert (choice.outcome, choice.reason) == (outcome, "ambiguous" if outcome == "needs_review" else None)


def test_the_rival_is_the_first_of_another_product_however_far_down() -> None:
    crowd = [candidate(0.97, "p", str(n)) for n in range(5)]
    assert choose([*crowd, candidate(0.95, "q", "z")], LIMITS, conflict=False).reason == "ambiguous"


def test_a_contradicting_code_keeps_a_match_from_being_automatic_but_asks_nobody_about_a_stranger() -> None:
    assert choose([candidate(0.99)], LIMITS, conflict=True).reason == "conflict"
    assert choose([candidate(0.5)], LIMITS, conflict=True).reason == "band"
    assert choose([candidate(0.1)], LIMITS, conflict=True).outcome == "new_product"


def test_where_both_limits_are_one_nobody_is_asked_for_the_band() -> None:
    limits = Thresholds(accept=0.5, review=0.5, margin=0.0)
    assert choose([candidate(0.5)], limits, conflict=False).outcome == "matched"
    assert choose([candidate(0.499)], limits, conflict=False).outcome == "new_product"
    assert choose([candidate(0.9, "p"), candidate(0.9, "q")], limits, conflict=False).outcome == "matched"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4006381333931", "04006381333931"),
        ("4006381333932", None),
        ("012345678905", "00012345678905"),
        ("96385074", "00000096385074"),
        ("96385075", None),
        ("10012345678902", "10012345678902"),
        ("4006381-333931", "04006381333931"),
        (" 4006381 333931 ", "04006381333931"),
        ("400638133393", None),
        ("0000000000000", None),
        ("４００６３８１３３３９３１", None),
        ("400638133393X", None),
        ("", None),
        (None, None),
    ],
)
def test_a_gtin_counts_only_with_its_check_digit(text: str | None, expected: str | None) -> None:
    assert valid_gtin(text) == expected


@given(st.integers(1, 10**12 - 1))
def test_exactly_one_check_digit_makes_a_gtin_valid(body: int) -> None:
    valid = [digit for digit in range(10) if valid_gtin(f"{body:012d}{digit}")]
    assert len(valid) == 1


@given(st.text())
def test_any_text_may_stand_in_the_field(text: str) -> None:
    found = valid_gtin(text)
    assert found is None or len(found) == 14


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        ("4006381333931", "96385074", True),
        ("4006381333931", "04006381333931", False),  # the same item, written longer
        ("4006381333931", "4006381333932", False),  # not a GTIN: says nothing
        ("4006381333931", None, False),
        (None, None, False),
    ],
)
def test_only_two_valid_codes_can_contradict_each_other(one: str | None, other: str | None, conflict: bool) -> None:
    left, right = Offer(offer_id="a", gtin=one), Offer(offer_id="b", gtin=other)
    assert codes_conflict(left, right) is conflict
    assert codes_conflict(right, left) is conflict


def test_evidence_is_data_in_a_fixed_order() -> None:
    told = (Evidence("word_overlap", 0.25, "match"), Evidence("image_similarity", 0.5))
    assert explain(told, conflict=True, runner_up=0.12345678) == (
        *told,
        Evidence("score_of_next_product", 0.123457),
        Evidence("gtin_differs", 1.0, "difference"),
    )
    assert explain((), conflict=False, runner_up=None) == ()
