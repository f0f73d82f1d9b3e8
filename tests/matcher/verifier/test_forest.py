"""Trees as arrays score as scikit-learn does, pair by pair, and their explanation adds up."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from matcher.verifier import boosting
from matcher.verifier.boosting import BoostingOptions, grow
from matcher.verifier.evidence import KIND_OF
from matcher.verifier.forest import MAX_DEPTH, Forest
from tests.examples import examples

NAMES = ("word_cosine", "missing_words_less", "code_nearness", "price_gap")
SMALL = BoostingOptions(trees=25, pairs_in_leaf=5, shrinkage=1.0, columns=1.0)


def made_up(pairs=600, seed=0, missing=0.2):
    """Evidence with gaps in two columns that tell as well, and labels that follow three of them."""
    random = np.random.default_rng(seed)
    evidence = random.standard_normal((pairs, len(NAMES))).astype(np.float32)
    wish = evidence[:, 0] - evidence[:, 1] + evidence[:, 0] * evidence[:, 2] + 0.5 * random.standard_normal(pairs)
    for column in (1, 3):
        evidence[random.random(pairs) < missing + 0.3 * (wish > 0), column] = np.nan
    return evidence, wish > 0.3


@pytest.fixture(scope="module")
def grown():
    evidence, same = made_up()
    return grow(evidence, same, NAMES, SMALL), evidence


@pytest.mark.parametrize("monotone", [True, False])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_it_scores_as_the_learner_it_comes_from(monkeypatch, monotone, missing) -> None:
    fitted = []

    class Spied(HistGradientBoostingClassifier):
        def fit(self, *args, **kwargs):
            fitted.append(self)
            return super().fit(*args, **kwargs)

    monkeypatch.setattr(boosting, "HistGradientBoostingClassifier", Spied)
    evidence, same = made_up(missing=missing)
    options = BoostingOptions(trees=30, pairs_in_leaf=3, shrinkage=0.5, columns=0.6, monotone=monotone, seed=4)
    forest = grow(evidence, same, NAMES, options)
    unseen = made_up(300, seed=9, missing=0.4)[0]
    unseen[0], unseen[1] = np.nan, 1e30
    for rows in (evidence, unseen):
        np.testing.assert_allclose(forest.scores(rows), fitted[0].decision_function(rows), rtol=0, atol=1e-9)
    assert forest.trees == 30
    assert 2 <= forest.depth <= options.depth
    assert forest.scores(evidence).std() > 0.5


def test_the_credits_and_the_start_make_up_the_score(grown) -> None:
    forest, evidence = grown
    credit = forest.contributions(evidence)
    np.testing.assert_allclose(credit.sum(axis=1) + forest.start, forest.scores(evidence), rtol=0, atol=1e-9)
    # Over the pairs it learned from, the moves cancel out.
    assert forest.start == pytest.approx(forest.scores(evidence).mean(), abs=1e-9)
    unused = set(range(len(NAMES))) - set(forest.feature.tolist())
    assert not credit[:, sorted(unused)].any()


def test_credit_goes_to_the_question_that_was_asked() -> None:
    stump = a_stump()
    credit = stump.contributions(np.array([[0, 1], [0, 3], [0, np.nan]], np.float32))
    assert credit.tolist() == [[0, -1.0], [0, 2.0], [0, 2.0]]
    assert stump.scores(np.array([[0, 2.0], [9, 2.5]], np.float32)).tolist() == [-0.5, 2.5]


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.integers(0, 599), min_size=1, max_size=40), st.integers(0, 3))
def test_the_bits_of_a_score_do_not_depend_on_the_batch(grown, rows, seed) -> None:
    forest, evidence = grown
    every = forest.scores(evidence)
    picked = np.array(rows)
    assert forest.scores(evidence[picked]).tobytes() == every[picked].tobytes()
    order = np.random.default_rng(seed).permutation(600)
    assert forest.scores(np.asfortranarray(evidence[order])).tobytes() == every[order].tobytes()


def test_no_pair_has_no_score(grown) -> None:
    assert grown[0].scores(np.empty((0, 4), np.float32)).shape == (0,)
    assert grown[0].contributions(np.empty((0, 4), np.float32)).shape == (0, 4)


@settings(max_examples=examples(50), deadline=None)
@given(
    st.lists(st.floats(-3, 3, width=32) | st.just(float("nan")), min_size=4, max_size=4),
    st.sampled_from([0, 1, 3]),
    st.floats(-3, 3, width=32),
    st.floats(-3, 3, width=32),
)
def test_evidence_for_a_match_never_lowers_the_score(grown, row, place, one, other) -> None:
    lesser, greater = (np.array([row], np.float32) for _ in range(2))
    lesser[0, place], greater[0, place] = min(one, other), max(one, other)
    difference = grown[0].scores(greater)[0] - grown[0].scores(lesser)[0]
    sign = {"match": 1, "difference": -1}[KIND_OF[NAMES[place]].more_favours]
    assert sign * difference >= -1e-12


def test_without_the_constraint_the_trees_may_follow_the_data() -> None:
    random = np.random.default_rng(0)
    evidence = random.standard_normal((400, 1)).astype(np.float32)
    same = evidence[:, 0] < 0
    steps = np.linspace(-2, 2, 9, dtype=np.float32)[:, None]
    bound, free = (
        grow(evidence, same, ["word_cosine"], BoostingOptions(trees=10, monotone=on)).scores(steps)
        for on in (True, False)
    )
    assert (np.diff(bound) >= 0).all()
    assert free[0] > free[-1] + 0.5


def test_the_same_data_and_seed_give_the_same_trees() -> None:
    evidence, same = made_up(200)
    options = BoostingOptions(trees=5, columns=0.5, pairs_in_leaf=5, seed=1)
    assert grow(evidence, same, NAMES, options).digest == grow(evidence, same, NAMES, options).digest
    other = BoostingOptions(trees=5, columns=0.5, pairs_in_leaf=5, seed=2)
    assert grow(evidence, same, NAMES, other).digest != grow(evidence, same, NAMES, options).digest


@pytest.mark.parametrize("label", [True, False])
def test_pairs_of_one_kind_alone_teach_nothing(label) -> None:
    with pytest.raises(ValueError, match=r"pairs of the same and of different products, got (0|9) of 9"):
        grow(np.zeros((9, 1), np.float32), np.full(9, label), ["word_cosine"], SMALL)


def test_evidence_that_is_missing_everywhere_is_named() -> None:
    evidence, same = made_up(50)
    evidence[:, 2] = np.nan
    with pytest.raises(ValueError, match="got none for code_nearness"):
        grow(evidence, same, NAMES, SMALL)


def a_stump(**changes) -> Forest:
    """Asks whether the second of two pieces of evidence is at most 2; missing ones go right."""
    arrays = {
        "roots": np.array([0], np.int32),
        "feature": np.array([1, -1, -1], np.int32),
        "threshold": np.array([2.0, 0, 0]),
        "left": np.array([1, 0, 0], np.int32),
        "right": np.array([2, 0, 0], np.int32),
        "missing_left": np.array([False] * 3),
        "value": np.array([0.0, -1.0, 2.0]),
    }
    return Forest(**{"width": 2, "base": 0.5, **arrays, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": np.zeros(2)}, "one entry a node"),
        ({"roots": np.zeros((1, 1), np.int32)}, "one entry a node"),
        ({"feature": np.array([2, -1, -1], np.int32)}, "evidence 0 to 1"),
        ({"feature": np.array([-2, -1, -1], np.int32)}, "evidence 0 to 1"),
        ({"value": np.array([0, np.nan, 0])}, "finite"),
        ({"threshold": np.array([np.inf, 0, 0])}, "finite"),
        ({"base": float("nan")}, "finite"),
        ({"left": np.array([0, 0, 0], np.int32)}, "children behind"),
        ({"right": np.array([3, 0, 0], np.int32)}, "children behind"),
        ({"roots": np.array([3], np.int32)}, "roots among the 3 nodes"),
        ({"roots": np.array([-1], np.int32)}, "roots among the 3 nodes"),
    ],
)
def test_arrays_that_are_no_trees_are_refused(changes, message) -> None:
    assert a_stump().depth == 1
    with pytest.raises(ValueError, match=message):
        a_stump(**changes)


def a_chain(depth) -> Forest:
    """Every question leads to a leaf on the left and to the next question on the right."""
    inner, n = np.arange(depth) * 2, 2 * depth + 1
    feature, left, right = np.full(n, -1, np.int32), np.zeros(n, np.int32), np.zeros(n, np.int32)
    feature[inner], left[inner], right[inner] = 0, inner + 1, inner + 2
    return Forest(
        width=1, base=0.0, roots=np.zeros(1, np.int32), feature=feature, threshold=np.arange(n) / 2.0, left=left,
        right=right, missing_left=np.zeros(n, np.bool_), value=np.arange(n) * 1.0,
    )  # fmt: skip


def test_trees_may_be_so_deep_and_no_deeper() -> None:
    deep = a_chain(MAX_DEPTH)
    assert deep.depth == MAX_DEPTH
    assert deep.scores(np.array([[0.0], [7.5], [1e9]], np.float32)).tolist() == [1, 17, 2 * MAX_DEPTH]
    with pytest.raises(ValueError, match=f"depth {MAX_DEPTH} at most, got {MAX_DEPTH + 1}"):
        a_chain(MAX_DEPTH + 1)


@pytest.mark.parametrize("field", ["threshold", "value", "missing_left", "base"])
def test_everything_that_decides_a_score_is_in_the_digest(field) -> None:
    changes = {"threshold": np.array([2.5, 0, 0]), "value": np.array([0.0, -1.0, 3.0]), "base": 0.25}
    changed = replace(a_stump(), **{field: changes.get(field, np.array([True, False, False]))})
    assert changed.digest != a_stump().digest
