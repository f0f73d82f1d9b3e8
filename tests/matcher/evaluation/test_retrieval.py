"""Which offers a query is compared with, against a search that is slow but plain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.evaluation import retrieval
from matcher.evaluation.decisions import ask
from matcher.evaluation.retrieval import nearest
from matcher.evaluation.visibility import Visibility, codes, have_match, visibility_of
from tests.examples import examples
from tests.matcher.evaluation.making import a_dataset, directions

NO_RULES = Visibility()
EVERYONE = np.arange(4)


def test_the_nearest_come_best_first_and_never_the_query_itself() -> None:
    found = nearest(directions([0, 10, 30, 90]), EVERYONE, 2, NO_RULES)
    assert found.rows.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert found.scores[0, 0] == pytest.approx(np.cos(np.deg2rad(10)), abs=1e-6)


def test_what_is_not_there_is_padded() -> None:
    found = nearest(directions([0, 10, 30, 90]), np.array([1]), 5, Visibility(arrival=np.arange(4)))
    assert found.rows.tolist() == [[0, -1, -1, -1, -1]]
    assert found.scores[0, 1:].tolist() == [-np.inf] * 4


def test_a_seller_does_not_meet_itself_and_a_missing_seller_equals_no_one() -> None:
    vectors = directions([0, 1, 2, 3])
    found = nearest(vectors, EVERYONE, 3, Visibility(sellers=codes(["s", "s", None, None])))
    assert found.rows[0].tolist() == [2, 3, -1]
    assert found.rows[2].tolist() == [3, 1, 0] or found.rows[2].tolist() == [1, 3, 0]


def test_in_a_stream_each_sees_only_what_came_before() -> None:
    arrival = np.array([2, 0, 1, 3])
    found = nearest(directions([0, 10, 30, 90]), EVERYONE, 3, Visibility(arrival=arrival))
    assert [set(row[row >= 0].tolist()) for row in found.rows] == [{1, 2}, set(), {1}, {0, 1, 2}]


def test_a_blocking_rule_hides_offers_but_makes_no_query_matchless() -> None:
    dataset = a_dataset(["a", "a", "b"])
    visible = visibility_of(
        dataset, exclude_own_seller=False, stream=False, allowed=lambda q, c: np.abs(q[:, None] - c[None]) == 2
    )
    answers = ask(dataset, directions([0, 1, 50]), visible, k=2)
    assert answers.candidates.rows[0].tolist() == [2, -1]
    assert answers.top.has_match.tolist() == [True, True, False]


def test_embeddings_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite embeddings"):
        nearest(np.array([[np.nan, 1]], np.float32), np.array([0]), 1, NO_RULES)


worlds = st.lists(
    st.tuples(st.integers(0, 360), st.sampled_from(["a", "b", "c", None]), st.sampled_from(["s", "t", None])),
    min_size=2,
    max_size=14,
)


@settings(deadline=None, max_examples=examples(60))
@given(worlds, st.booleans(), st.booleans(), st.booleans(), st.integers(1, 6), st.integers(1, 40))
def test_the_search_finds_what_a_plain_one_finds(world, exclude, stream, hide, k, chunk) -> None:
    vectors = directions([angle for angle, _, _ in world])
    products = [product for _, product, _ in world]
    dataset = a_dataset(products, sellers=[seller for _, _, seller in world])
    visible = visibility_of(dataset, exclude_own_seller=exclude, stream=stream)
    queries = np.arange(len(world))

    def sees(q: int, c: int) -> bool:
        own = exclude and world[q][2] is not None and world[q][2] == world[c][2]
        return q != c and not own and (not stream or c < q)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "_CHUNK_SCORES", chunk)
        found = nearest(vectors, queries, k, visible, without=codes(products) if hide else None)
    for q in queries.tolist():
        same = [c for c in queries.tolist() if products[q] is not None and products[c] == products[q]]
        open_ = [c for c in queries.tolist() if sees(q, c) and not (hide and c in same)]
        scores = {c: float(np.float32(vectors[q].astype(float) @ vectors[c].astype(float))) for c in open_}
        best = sorted(open_, key=lambda c: (-scores[c], c))[:k]
        assert found.rows[q][found.rows[q] >= 0].tolist() == best
    matched = have_match(products, queries, visible)
    assert matched.tolist() == [
        any(sees(q, c) and products[c] == products[q] for c in queries.tolist()) and products[q] is not None
        for q in queries.tolist()
    ]


def test_a_scorer_puts_candidates_in_its_order_and_is_asked_once_for_a_pair() -> None:
    dataset = a_dataset(["a", "a", "b", "c"])
    asked: list[tuple[int, int]] = []

    def scorer(_dataset, query_rows, candidate_rows):
        asked.extend(zip(query_rows.tolist(), candidate_rows.tolist(), strict=True))
        return np.where(candidate_rows == 3, 9.0, -candidate_rows).astype(np.float32)

    answers = ask(dataset, directions([0, 1, 2, 3]), Visibility(), k=3, scorer=scorer)
    assert answers.candidates.rows[0].tolist() == [3, 1, 2]
    assert answers.top.score[:3].tolist() == [9, 9, 9]
    assert answers.top.place.tolist() == [1, 1, -1, -1]
    assert len(asked) == len(set(asked))


def test_a_hidden_query_answers_as_if_its_product_were_not_there() -> None:
    dataset = a_dataset(["a", "a", "b"])
    answers = ask(dataset, directions([0, 1, 50]), Visibility(), k=2)
    assert answers.top.right.tolist() == [True, True, False]
    assert answers.hidden.candidate.tolist() == [2, 2, 1]
    assert not answers.hidden.has_match.any()
    assert not answers.hidden.right.any()


def test_offers_of_unknown_product_are_no_queries_and_wrong_candidates() -> None:
    answers = ask(a_dataset([None, "a", "a", None]), directions([0, 1, 20, 80]), Visibility(), k=3)
    assert answers.top.query.tolist() == [1, 2]
    assert answers.top.candidate.tolist() == [0, 1]
    assert answers.top.right.tolist() == [False, True]


def test_a_dataset_without_products_is_refused() -> None:
    with pytest.raises(ValueError, match="known product_id"):
        ask(a_dataset([None, None]), directions([0, 1]), Visibility())
