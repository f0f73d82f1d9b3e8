"""Embeddings: of unit length, exact in fp16, and the same bits whatever the company they are computed in."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from matcher.events.features import OfferFeatures
from matcher.events.offer import Offer
from matcher.events.place import Version
from matcher.model.bundle import Logistic
from matcher.model.calibration import probability
from matcher.model.projection import check_features, modality_parts, project
from matcher.verifier.scoring import cosine_pairs
from tests.examples import examples
from tests.matcher.making import a_bundle, features_of

IMAGE, TEXT = 7, 5
BUNDLE = a_bundle(image_dim=IMAGE, text_dim=TEXT)


def finite(dim: int) -> st.SearchStrategy:
    """f16[dim], from the smallest to the largest that fp16 can hold, at least one of them not zero."""
    values = st.floats(-65504.0, 65504.0, width=16)  # unbounded, most draws overflow and are drawn again
    sizes = st.floats(2.0**-24, 65504.0, width=16)

    def put(vector: np.ndarray, where: int, size: float, sign: int) -> np.ndarray:
        vector = vector.copy()
        vector[where] = sign * size
        return vector

    return st.builds(
        put, arrays(np.float16, dim, elements=values), st.integers(0, dim - 1), sizes, st.sampled_from([-1, 1])
    )


def made(image: np.ndarray | None, text: np.ndarray | None) -> OfferFeatures:
    return features_of(Offer(offer_id="a"), Version(0, 1), image, text)


FEATURES = st.one_of(
    st.builds(made, finite(IMAGE), finite(TEXT)),
    st.builds(made, finite(IMAGE), st.none()),
    st.builds(made, st.none(), finite(TEXT)),
)


@given(st.lists(FEATURES, min_size=1, max_size=6))
def test_embeddings_are_normalised_and_exact_in_fp16(batch: list[OfferFeatures]) -> None:
    embeddings = project(batch, BUNDLE)
    assert embeddings.shape == (len(batch), IMAGE + TEXT)
    assert embeddings.dtype == np.float32
    np.testing.assert_array_equal(embeddings, embeddings.astype(np.float16).astype(np.float32))
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=2e-3)


@settings(max_examples=examples(200))
@given(st.lists(FEATURES, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_an_embedding_has_the_same_bits_in_every_batch(batch: list[OfferFeatures], random) -> None:
    alone = [project([features], BUNDLE)[0].tobytes() for features in batch]
    order = list(range(len(batch)))
    random.shuffle(order)
    together = project([batch[n] for n in order], BUNDLE)
    assert [row.tobytes() for row in together] == [alone[n] for n in order]


def test_so_it_is_at_the_size_of_real_encoders() -> None:
    bundle = a_bundle(image_dim=1280, text_dim=384)
    rng = np.random.default_rng(1)
    batch = [made(rng.standard_normal(1280), rng.standard_normal(384)) for _ in range(65)]
    together = project(batch, bundle)
    for features, row in zip(batch, together, strict=True):
        assert project([features], bundle)[0].tobytes() == row.tobytes()


def test_each_modality_weighs_what_the_bundle_says_whatever_its_length() -> None:
    both = project([made(np.full(IMAGE, 1e-3), np.full(TEXT, 1e4))], BUNDLE)[0]
    assert np.linalg.norm(both[:IMAGE]) == pytest.approx(0.8, abs=2e-3)
    assert np.linalg.norm(both[IMAGE:]) == pytest.approx(0.6, abs=2e-3)


def test_a_missing_modality_leaves_zeros_and_the_rest_has_unit_length() -> None:
    image_only, text_only = project([made(np.ones(IMAGE), None), made(None, np.ones(TEXT))], BUNDLE)
    assert not image_only[IMAGE:].any()
    assert not text_only[:IMAGE].any()
    assert np.linalg.norm(image_only) == pytest.approx(1, abs=2e-3)
    assert np.linalg.norm(text_only) == pytest.approx(1, abs=2e-3)
    assert image_only @ text_only == 0


@given(FEATURES, FEATURES)
def test_the_cosine_of_a_modality_exists_exactly_where_both_have_it(one: OfferFeatures, other: OfferFeatures) -> None:
    parts = modality_parts(project([one, other], BUNDLE), BUNDLE)
    pairs = np.array([0, 1, 0]), np.array([1, 0, 0])
    scores = {name: cosine_pairs(part, *pairs) for name, part in parts.items()}
    for name in ("image", "text"):
        there, back, own = scores[name]
        assert np.isnan(there) == (getattr(one, name) is None or getattr(other, name) is None)
        assert np.isnan(there) or (-1.000001 <= there <= 1.000001 and there == back)
        assert np.isnan(own) if getattr(one, name) is None else own == pytest.approx(1.0)


def test_an_empty_batch_projects_to_nothing() -> None:
    assert project([], BUNDLE).shape == (0, IMAGE + TEXT)


@pytest.mark.parametrize(
    ("image_weight", "image", "usable"), [(0.0, True, False), (0.0, False, True), (0.8, True, True)]
)
def test_features_that_the_bundle_gives_no_weight_to_cannot_be_placed(
    image_weight: float, image: bool, usable: bool
) -> None:
    bundle = a_bundle(image_dim=IMAGE, text_dim=TEXT, image_weight=image_weight)
    features = made(np.ones(IMAGE), None) if image else made(None, np.ones(TEXT))
    failure = check_features(features, bundle)
    assert (failure is None) is usable
    assert failure is None or failure.reason == "bad_features"


@pytest.mark.parametrize(
    ("bits", "usable"), [(0x0000, False), (0x8000, False), (0x0080, True), (0x8080, True), (0x3C00, True)]
)
def test_a_vector_of_zeros_points_nowhere_and_the_smallest_number_points(bits: int, usable: bool) -> None:
    bundle = a_bundle(image_dim=IMAGE, text_dim=TEXT, image_weight=0.8)
    image = np.zeros(IMAGE, np.uint16)
    image[-1] = bits
    assert (check_features(made(image.view(np.float16), None), bundle) is None) is usable


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(1e-6, 1e6), st.floats(-1e6, 1e6))
def test_a_probability_is_one_and_grows_with_the_score(
    one: float, other: float, slope: float, intercept: float
) -> None:
    calibration = Logistic(slope=slope, intercept=intercept)
    low, high = sorted((one, other))
    assert 0 <= probability(low, calibration) <= probability(high, calibration) <= 1


def test_the_logistic_is_even_where_it_should_be() -> None:
    assert probability(0.8, Logistic(slope=20, intercept=-16)) == pytest.approx(0.5)
    assert probability(0.9, Logistic(slope=20, intercept=-16)) == pytest.approx(1 / (1 + math.exp(-2)))
