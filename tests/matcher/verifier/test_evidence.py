"""Evidence is a function of two offers alone: of nothing else, and not of their order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.events.offer import Price
from matcher.verifier.evidence import COSINES, KINDS, evidence
from matcher.verifier.scoring import cosine_pairs
from matcher.verifier.table import trait_table
from tests.examples import examples
from tests.matcher.verifier.making import EMPTY_IDF, NAMES, an_idf, an_offer, offers, read_pairs

IDF = an_idf()
#: Each example reads many offers; a busy machine shall not fail it.
few = settings(max_examples=examples(30), deadline=None)


@few
@given(st.lists(offers, min_size=2, max_size=5), st.data())
def test_it_does_not_matter_which_offer_asks(made, data) -> None:
    rows = st.integers(0, len(made) - 1)
    left = data.draw(st.lists(rows, min_size=1, max_size=8))
    right = data.draw(st.lists(rows, min_size=len(left), max_size=len(left)))
    one, other = read_pairs(made, left, right, idf=IDF), read_pairs(made, right, left, idf=IDF)
    assert one.tobytes() == other.tobytes(), [NAMES[n] for n in np.flatnonzero((one != other).any(axis=0))]


@few
@given(offers, offers)
def test_it_is_finite_or_missing(one, other) -> None:
    read = read_pairs([one, other], [0, 0], [1, 0], idf=IDF)
    assert not np.isinf(read).any()
    assert read.dtype == np.float32
    assert read.shape == (2, len(NAMES))


@few
@given(offers, offers, st.lists(offers, max_size=6), st.randoms(use_true_random=False))
def test_the_bits_of_a_pair_do_not_depend_on_what_else_is_in_the_batch(one, other, rest, random) -> None:
    """Also: evidence of a pair stays as it is when offers are added, so it holds no ranks and no one-to-one rule."""
    alone = read_pairs([one, other], [0], [1], idf=IDF)[0]
    made = [one, other, *rest]
    places = list(range(len(made)))
    random.shuffle(places)
    row = {place: n for n, place in enumerate(places)}
    shuffled = [made[place] for place in places]
    pairs = [(a, b) for a in range(len(made)) for b in range(len(made))]
    random.shuffle(pairs)
    many = read_pairs(shuffled, [row[a] for a, _ in pairs], [row[b] for _, b in pairs], idf=IDF)
    assert many[pairs.index((0, 1))].tobytes() == alone.tobytes()


@few
@given(offers, offers)
def test_fewer_names_give_the_same_columns_in_their_order(one, other) -> None:
    every = read_pairs([one, other], [0], [1])
    some = ("price_gap", "word_cosine", "code_shared")
    picked = every[:, [NAMES.index(name) for name in some]]
    assert read_pairs([one, other], [0], [1], names=some).tobytes() == picked.tobytes()


def test_no_pairs_and_no_offers_are_fine() -> None:
    assert read_pairs([an_offer(title="a")], [], []).shape == (0, len(NAMES))
    assert read_pairs([], [], []).shape == (0, len(NAMES))


def test_cosines_come_from_the_caller_and_are_missing_where_not_given() -> None:
    names = tuple(kind.name for kind in COSINES)
    given_ = {"embedding_cosine": np.array([0.25], np.float32), "image_cosine": np.array([np.nan], np.float32)}
    read = read_pairs([an_offer(title="a"), an_offer(title="b")], [0], [1], names=names, cosines=given_)[0]
    assert read[0] == 0.25
    assert np.isnan(read[1:]).all()


@pytest.mark.parametrize("where", ["names", "cosines"])
def test_a_name_that_is_no_evidence_is_refused(where) -> None:
    none = np.empty(0, np.int64)
    names = ("mutual_rank",) if where == "names" else ("word_cosine",)
    cosines = {} if where == "names" else {"mutual_rank": np.empty(0, np.float32)}
    with pytest.raises(ValueError, match="expected names of evidence, got mutual_rank"):
        evidence(trait_table([], EMPTY_IDF), none, none, cosines, names)


def test_every_kind_is_read_by_someone_and_named_once() -> None:
    """A kind that no reader fills would be missing for ever; here each is there for one pair at least."""
    offer = an_offer(
        title="Sony WH1000XM3 570x headphones 8 pro 256GB black",
        brand="Sony",
        description="one two three four five six seven",
        price=Price(amount=5.0, currency="EUR"),
        gtin="4006381333931",
        mpn="WH1000",
        n_sizes=2,
    )
    read = read_pairs([offer, offer], [0], [1])[0]
    assert [name for name, value in zip(NAMES, read, strict=True) if np.isnan(value)] == []
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@few
@given(st.integers(1, 40), st.integers(0, 1000))
def test_cosines_of_rows_are_right_and_keep_their_bits_in_any_company(n, seed) -> None:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((n, 23)).astype(np.float16)
    vectors[0] = 0
    left, right = random.integers(0, n, 50), random.integers(0, n, 50)
    many = cosine_pairs(vectors, left, right, strip=7)
    wide = vectors.astype(np.float64)
    for p, (a, b) in enumerate(zip(left, right, strict=True)):
        assert many[p].tobytes() == cosine_pairs(vectors, np.array([a]), np.array([b]))[0].tobytes()
        assert many[p].tobytes() == cosine_pairs(np.asfortranarray(vectors), left, right)[p].tobytes()
        if a and b:
            true = wide[a] @ wide[b] / np.linalg.norm(wide[a]) / np.linalg.norm(wide[b])
            assert many[p] == pytest.approx(true, abs=1e-6)
        else:
            assert np.isnan(many[p])
