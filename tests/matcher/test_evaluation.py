"""What a report counts, on runs small enough to count by hand, and against a count that is slow but plain."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.evaluation import FirstDecision, History, Report, Truth, Withdrawal, compare
from matcher.evaluation.clusters import b_cubed
from matcher.evaluation.run.history import DeadLetterCount
from tests.examples import examples

Event = FirstDecision | Withdrawal


def new(offer_id: str, partition: int = 0) -> FirstDecision:
    return FirstDecision(offer_id=offer_id, partition=partition, outcome="new_product")


def match(offer_id: str, other: str, partition: int = 0) -> FirstDecision:
    return FirstDecision(offer_id=offer_id, partition=partition, outcome="matched", matched_offer_id=other)


def review(offer_id: str, *shown: str) -> FirstDecision:
    return FirstDecision(offer_id=offer_id, partition=0, outcome="needs_review", matched_offer_id=shown[0], shown=shown)


def report(events: Sequence[Event], *, exclude: bool = False, sellers: dict[str, str] | None = None) -> Report:
    """Offers named a1, a2, b1, … are of the products a and b; those named x… are not in the truth."""
    truth = Truth(
        products={e.offer_id: e.offer_id[0] for e in events if not e.offer_id.startswith("x")}, sellers=sellers or {}
    )
    return compare(History(events=events, table={}), truth, exclude_own_seller=exclude)


def test_precision_is_of_what_was_accepted_and_recall_of_what_could_have_been() -> None:
    # a2 is right, b2 is missed, c1 is a match for an offer without one, a3 is matched with the wrong offer.
    found = report([new("a1"), match("a2", "a1"), new("b1"), new("b2"), match("c1", "b1"), match("a3", "b1")])
    assert (found.offers, found.decided, found.matched, found.new_products) == (6, 6, 3, 3)
    assert (found.queries, found.queries_with_match, found.accepted, found.right) == (6, 3, 3, 1)
    assert found.precision == pytest.approx(1 / 3)
    assert found.recall == pytest.approx(1 / 3)
    assert found.recall_with_review == found.recall


def test_an_offer_sees_only_what_came_before_it() -> None:
    assert report([new("a1"), new("a2")]).queries_with_match == 1
    assert report([new("a1"), new("b1")]).queries_with_match == 0


def test_a_right_offer_among_the_shown_counts_for_recall_with_review_only() -> None:
    found = report([new("a1"), new("b1"), review("a2", "b1", "a1"), review("b2", "a1", "a2")])
    assert (found.needs_review, found.right_in_review, found.queries_with_match) == (2, 1, 2)
    assert found.precision is None
    assert found.recall == 0
    assert found.recall_with_review == 0.5


def test_shares_of_nothing_are_none() -> None:
    for found in (report([]), report([new("a1")])):
        assert (found.precision, found.recall, found.recall_with_review) == (None, None, None)
        assert (found.latency_p50, found.latency_p99) == (None, None)
        assert (found.b3_precision, found.b3_recall) == (None, None)


def test_a_seller_is_not_matched_with_itself_where_sellers_are_known_and_the_setting_says_so() -> None:
    events = [new("a1"), new("a2"), new("a3"), new("a4")]
    sellers = {"a1": "s", "a2": "s", "a3": "t"}  # a4 has no seller, so it equals no one
    assert report(events, exclude=True, sellers=sellers).queries_with_match == 2
    assert report(events, exclude=False, sellers=sellers).queries_with_match == 3


def test_the_truths_sellers_win_and_the_offers_own_words_fill_the_gaps() -> None:
    history = History(events=[new("a1"), new("a2"), new("a3")], table={}, sellers={"a1": "s", "a2": "s", "a3": "s"})
    truth = Truth(products={"a1": "a", "a2": "a", "a3": "a"}, sellers={"a3": "t"})
    assert compare(history, truth, exclude_own_seller=True).queries_with_match == 1


def test_withdrawn_offers_are_nobodys_candidates() -> None:
    found = report([new("a1"), Withdrawal(offer_id="a1", partition=0), new("a2")])
    assert (found.queries_with_match, found.withdrawn, found.decided) == (0, 1, 2)


def test_an_update_is_a_query_of_its_own_and_no_match_for_itself() -> None:
    found = report([new("a1"), new("a1"), match("a2", "a1"), match("a1", "a2")])
    assert (found.queries, found.queries_with_match, found.right) == (4, 2, 2)


def test_offers_of_other_partitions_are_no_candidates() -> None:
    assert report([new("a1", 0), new("a2", 1)]).queries_with_match == 0
    assert report([new("a1", 1), new("a2", 1)]).queries_with_match == 1


def test_offers_without_truth_are_left_out_and_counted() -> None:
    found = report([new("x1"), match("x2", "x1"), new("a1"), match("a2", "x1"), match("a3", "a1")])
    assert found.decided_without_truth == 2
    assert found.unjudged == 1
    assert (found.queries, found.queries_with_match, found.accepted, found.right) == (2, 1, 1, 1)


def test_an_offer_that_a_right_match_names_was_there_although_the_log_forgot_when() -> None:
    # a1 was decided again after a2 matched it, and compaction left only the later decision.
    found = report([match("a2", "a1"), match("a1", "a2")])
    assert (found.queries_with_match, found.right, found.recall) == (2, 2, 1.0)


def test_decisions_of_which_only_their_having_been_is_known_are_not_judged_but_stand_as_candidates() -> None:
    lost = FirstDecision(offer_id="a1", partition=0, outcome=None)
    found = report([lost, new("a2")])
    assert (found.decided, found.overwritten, found.queries, found.queries_with_match) == (2, 1, 1, 1)


def test_offers_are_the_decided_the_refused_and_the_undecided() -> None:
    history = History(
        events=[new("a1")],
        table={"a1": "p"},
        dead_letters=[DeadLetterCount(stage="encoder", reason="not_json", count=2)],
        undecided=3,
        superseded=4,
    )
    found = compare(history, Truth(products={"a1": "a", "a9": "a"}, skipped=5), exclude_own_seller=True)
    assert (found.offers, found.decided, found.dead_letters, found.undecided, found.superseded) == (6, 1, 2, 3, 4)
    assert (found.truth_not_decided, found.truth_rows_skipped, found.live_offers, found.products) == (1, 5, 1, 1)


def test_latencies_are_quantiles_over_the_decisions_that_have_one() -> None:
    events = [FirstDecision(offer_id=f"a{n}", partition=0, outcome="new_product", latency=n) for n in range(101)]
    found = report([*events, new("b1")])
    assert (found.latency_p50, found.latency_p99) == (50, 99)


def test_products_as_a_whole_are_measured_by_b_cubed() -> None:
    # Bagga and Baldwin's own example: {1..5} and {6,7} true, {8..12} true; one response joins the last two.
    true = dict.fromkeys(range(1, 6), "A") | dict.fromkeys((6, 7), "B") | dict.fromkeys(range(8, 13), "C")
    assigned = {n: "1" if n <= 5 else "2" for n in true}
    precision, recall = b_cubed((assigned[n], true[n]) for n in true)
    assert precision == pytest.approx((5 * 1 + 2 * 2 / 7 + 5 * 5 / 7) / 12)
    assert recall == 1
    history = History(events=[], table={"a1": "p", "a2": "p", "b1": "p", "x1": "p"})
    found = compare(history, Truth(products={"a1": "a", "a2": "a", "b1": "b"}), exclude_own_seller=False)
    assert found.b3_precision == pytest.approx((2 * 2 / 3 + 1 / 3) / 3)
    assert found.b3_recall == 1


ids = st.sampled_from(["a1", "a2", "a3", "b1", "b2", "c1", "x1", "x2"])
decisions = st.builds(
    lambda offer, partition, outcome, shown: FirstDecision(
        offer_id=offer,
        partition=partition,
        outcome=outcome,
        matched_offer_id=shown[0] if shown else None,
        shown=tuple(shown) if outcome == "needs_review" else (),
    ),
    ids,
    st.integers(0, 1),
    st.sampled_from(["matched", "needs_review", "new_product", None]),
    st.lists(ids, min_size=1, max_size=3),
)
withdrawals = st.builds(lambda offer: Withdrawal(offer_id=offer, partition=0), ids)


@settings(max_examples=examples(400), deadline=None)
@given(
    st.lists(decisions | withdrawals, max_size=15),
    st.dictionaries(ids, st.sampled_from(["s", "t"])),
    st.booleans(),
)
def test_counting_agrees_with_looking_at_every_pair(
    events: list[Event], sellers: dict[str, str], exclude: bool
) -> None:
    found = report(events, exclude=exclude, sellers=sellers)
    product = {e.offer_id: e.offer_id[0] for e in events if not e.offer_id.startswith("x")}
    queries = with_match = accepted = right = right_in_review = 0
    for now, event in enumerate(events):
        if not isinstance(event, FirstDecision) or event.outcome is None or event.offer_id not in product:
            continue
        if event.outcome == "matched" and event.matched_offer_id not in product:
            continue
        mine = product[event.offer_id]
        last = {earlier.offer_id: earlier for earlier in events[:now]}
        standing = [
            other
            for other, entry in last.items()
            if isinstance(entry, FirstDecision)
            and other != event.offer_id
            and entry.partition == event.partition
            and not (exclude and other in sellers and sellers[other] == sellers.get(event.offer_id))
        ]
        named = [event.matched_offer_id] if event.outcome == "matched" else list(event.shown)
        hit = any(o != event.offer_id and product.get(o or "") == mine for o in named)
        queries += 1
        with_match += hit or any(product.get(other) == mine for other in standing)
        accepted += event.outcome == "matched"
        right += event.outcome == "matched" and hit
        right_in_review += event.outcome == "needs_review" and hit
    assert (found.queries, found.queries_with_match, found.accepted) == (queries, with_match, accepted)
    assert (found.right, found.right_in_review) == (right, right_in_review)
    for share in (found.precision, found.recall, found.recall_with_review):
        assert share is None or 0 <= share <= 1


@settings(max_examples=examples(200))
@given(st.lists(st.tuples(st.sampled_from("pqr"), st.sampled_from("abc")), max_size=12))
def test_b_cubed_agrees_with_looking_at_every_pair(pairs: list[tuple[str, str]]) -> None:
    precision, recall = b_cubed(pairs)
    if not pairs:
        assert (precision, recall) == (None, None)
        return
    shares = []
    for cluster, true in pairs:
        same = sum(c == cluster and t == true for c, t in pairs)
        shares.append((same / sum(c == cluster for c, _ in pairs), same / sum(t == true for _, t in pairs)))
    assert precision == pytest.approx(sum(p for p, _ in shares) / len(pairs))
    assert recall == pytest.approx(sum(r for _, r in shares) / len(pairs))
