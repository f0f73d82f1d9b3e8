"""The matcher's further rules in an evaluation: what is held back for people, and what brand blocks leave out."""

import io

import numpy as np
import pytest
from rich.console import Console

from matcher.evaluation.blocking import brand_rule
from matcher.evaluation.decisions import ask
from matcher.evaluation.evaluate import Model, evaluate
from matcher.evaluation.figures import accepted
from matcher.evaluation.held import hold_back
from matcher.evaluation.match_rates import mixture
from matcher.evaluation.misses import Miss
from matcher.evaluation.render import evaluation_view
from matcher.evaluation.review import in_review
from matcher.evaluation.visibility import codes, visibility_of
from matcher.model.bundle import Search
from matcher.training.drafts import Held
from matcher.verifier.training import VerifierOptions, pairs_within
from tests.matcher.evaluation.making import a_dataset, directions

ONE, OTHER, WRONG = "4006381333931", "5901234123457", "4006381333930"


def held(products, angles, *, accept, margin=0.0, stream=False, **made):
    dataset = a_dataset(products, **made)
    visible = visibility_of(dataset, exclude_own_seller=False, stream=stream)
    answers = ask(dataset, directions(angles), visible, k=4)
    return hold_back(answers, dataset.offers, codes(products), visible, accept=accept, margin=margin)


def test_a_match_whose_codes_contradict_goes_to_people() -> None:
    made = {"gtins": [ONE, OTHER, ONE, WRONG, None]}
    answers = held(["a", "a", "b", "b", "c"], [0, 1, 40, 41, 90], accept=0.99, **made)
    assert answers.top.held.tolist() == [True, True, False, False, False]
    assert accepted(answers.top, 0.99).tolist() == [False, False, True, True, False]
    assert in_review(answers.top, 0.99, 0.7).tolist() == [True, True, False, False, False]


def test_a_conflict_below_the_threshold_is_no_other_than_any_decision_there() -> None:
    answers = held(["a", "a"], [0, 30], accept=0.99, gtins=[ONE, OTHER])
    assert not answers.top.held.any()


def test_a_match_with_a_rival_that_is_nearly_as_good_goes_to_people() -> None:
    angles = [0, 1, 2.5, 60, 61, 80]
    answers = held(["a", "a", "b", "c", "c", "c"], angles, accept=0.9, margin=0.01)
    # The third is nearest to two offers of one product.
    assert answers.top.held.tolist() == [True, True, False, False, False, False]
    assert not held(["a", "a", "b", "c", "c", "c"], angles, accept=0.9, margin=0.0).top.held.any()


def test_offers_of_unknown_product_are_rivals_of_each_other() -> None:
    answers = held(["a", None, None, "a"], [0, 1, 2, 90], accept=0.9, margin=0.1)
    assert answers.top.query.tolist() == [0, 3]
    assert answers.top.held.tolist() == [True, False]


def test_in_a_stream_rivals_are_of_the_products_that_were_decided() -> None:
    # The third is accepted as the first's product, rightly or not: for the fourth both are one product, no rivals.
    products, angles = ["a", "b", "a", "a"], [0, 90, 1, 2]
    answers = held(products, angles, accept=0.9, margin=0.5, stream=True)
    assert accepted(answers.top, 0.9).tolist() == [False, False, True, True]
    # Where it was not accepted, since codes contradict, they are two products.
    gtins = [ONE, None, OTHER, None]
    answers = held(products, angles, accept=0.9, margin=0.5, stream=True, gtins=gtins)
    assert answers.top.held.tolist() == [False, False, True, True]


def test_hidden_queries_are_held_back_by_their_own_candidates() -> None:
    answers = held(["a", "a", "b"], [0, 1, 2], accept=0.9, gtins=[ONE, ONE, OTHER])
    assert answers.top.held.tolist() == [False, False, True]
    assert answers.hidden.held.tolist() == [True, True, True]
    mixed = mixture(answers, 0.5).top
    assert accepted(mixed, 0.9).tolist() == [True, True, False, False, False]


def test_what_is_held_back_is_counted_and_not_accepted() -> None:
    products = ["a", "a", "b", "b", "c"]
    dataset = a_dataset(products, gtins=[ONE, OTHER, None, None, None])
    result = evaluate(
        dataset,
        directions([0, 1, 40, 41, 120]),
        Model(accept=0.99, review=0.5, candidates=3),
        groups=np.arange(5),
        draws=20,
    )
    found = result.evaluation
    assert (found.accepted, found.held_back, found.misses.held_back, found.misses.missed) == (2, 2, 2, 2)
    assert found.misses.below_threshold == 0
    assert result.miss.tolist() == [Miss.HELD_BACK, Miss.HELD_BACK, Miss.NONE, Miss.NONE, Miss.NONE]
    assert found.review.per_thousand == pytest.approx(400)


def test_brand_blocks_leave_out_other_brands_and_no_more() -> None:
    brands = ["Nike", "NIKE Inc.", "Puma", None, "QBP"]
    dataset = a_dataset(["a"] * 5, brands=brands, titles=["shoe", "shoe", "shoe", "Nike shoe", "Puma shoe"])
    everyone = np.arange(5)
    assert brand_rule(dataset.offers)(everyone, everyone).tolist() == [
        [True, True, False, True, False],
        [True, True, False, True, False],
        [False, False, True, True, False],
        [True, True, True, True, True],
        [False, False, True, True, True],
    ]


@pytest.mark.parametrize("mode", ["all", "stream"])
def test_recall_lost_to_blocking_is_a_figure(mode) -> None:
    dataset = a_dataset(["a", "a", "b", "b"], brands=["Nike", "Puma", "Sony", "SONY"])
    vectors, groups = directions([0, 1, 40, 41]), np.arange(4)
    model = Model(candidates=3, allowed=brand_rule(dataset.offers))
    found = evaluate(dataset, vectors, model, groups=groups, mode=mode, draws=20).evaluation
    assert found.recall_lost_to_blocking == pytest.approx(0.5)
    assert found.misses.lost_to_blocking == (2 if mode == "all" else 1)
    assert found.in_blocks
    without = evaluate(dataset, vectors, Model(candidates=3), groups=groups, mode=mode, draws=20).evaluation
    assert without.recall_lost_to_blocking is None
    assert without.recall_at_1 == 1


def test_what_blocks_would_lose_can_be_told_where_there_are_none() -> None:
    dataset = a_dataset(["a", "a", "b", "b", "c"], brands=["Nike", "Puma", "Sony", "SONY", None])
    model = Model(candidates=3, considered=brand_rule(dataset.offers))
    found = evaluate(dataset, directions([0, 1, 40, 41, 90]), model, groups=np.arange(5), draws=20).evaluation
    assert found.recall_lost_to_blocking == pytest.approx(0.5)
    assert (found.in_blocks, found.recall_at_1, found.misses.lost_to_blocking) == (False, 1, 0)
    out = io.StringIO()
    Console(file=out, width=200).print(evaluation_view(found))
    assert "blocks would lose" in out.getvalue()


def test_training_asks_as_a_matcher_with_blocks_does() -> None:
    dataset = a_dataset(["a", "a", "b", "b", "b"], brands=["Nike", "Puma", "Sony", "SONY", None])
    vectors = directions([0, 1, 2, 3, 4])

    def open_to(search: Search) -> list[set[int]]:
        answers = Held(dataset=dataset, embed=lambda _: vectors, scorer=None).answers(search)
        return [set(rows[rows >= 0].tolist()) for rows in answers.candidates.rows]

    expected = [{4}, {4}, {3, 4}, {2, 4}, {0, 1, 2, 3}]
    assert open_to(Search(brand_blocks=True)) == expected
    assert open_to(Search())[0] == {1, 2, 3, 4}
    left, right, _ = pairs_within(dataset, vectors, VerifierOptions(candidates=4, brand_blocks=True))
    pairs = {frozenset(pair) for pair in zip(left.tolist(), right.tolist(), strict=True)}
    assert pairs == {frozenset((row, other)) for row, others in enumerate(expected) for other in others}
    left, _, _ = pairs_within(dataset, vectors, VerifierOptions(candidates=4))
    assert len(left) == 10
