"""Learned projections: the same bits everywhere, refused when the file beside the bundle is not what it names."""

import hashlib
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from matcher.events.offer import Offer, Price
from matcher.events.place import Version
from matcher.model.bundle import (
    Bundle,
    BundleUnusable,
    Inputs,
    Linear,
    NumberScaling,
    Perceptron,
    fingerprint_of,
    load_bundle,
    save_bundle,
)
from matcher.model.network import Layer, Network
from matcher.model.projection import check_features, modality_parts, project, project_arrays, stack
from matcher.money import numbers_of
from tests.examples import examples
from tests.matcher.making import a_bundle, features_of
from tests.matcher.test_projection import FEATURES, IMAGE, TEXT, made

NUMBERS = NumberScaling(means=(2.0, 1.0, 3.0), deviations=(1.0, 0.5, 2.0), weight=0.3)
INPUTS = Inputs(image_weight=1.0, text_weight=0.5, numbers=NUMBERS)


def learned(kind="linear", dim=6, hidden=9, seed=0, inputs=INPUTS, image_dim=IMAGE, text_dim=TEXT) -> Bundle:
    random = np.random.default_rng(seed)
    width = inputs.width(image_dim, text_dim)
    sizes = [width, dim] if kind == "linear" else [width, hidden, dim]
    network = Network(
        [
            Layer(
                random.standard_normal((after, before)).astype(np.float32),
                random.standard_normal(after).astype(np.float32),
            )
            for before, after in pairwise(sizes)
        ]
    )
    projection = (
        Linear(dim=dim, inputs=inputs, weights=network.digest)
        if kind == "linear"
        else Perceptron(dim=dim, hidden=hidden, inputs=inputs, weights=network.digest)
    )
    bundle = msgspec.structs.replace(
        a_bundle(image_dim=image_dim, text_dim=text_dim), projection=projection, network=network
    )
    return msgspec.structs.replace(bundle, fingerprint=fingerprint_of(bundle))


BUNDLES = {kind: learned(kind) for kind in ("linear", "perceptron")}
KINDS = pytest.mark.parametrize("kind", ["linear", "perceptron"])


def plain(features, bundle: Bundle) -> np.ndarray:
    """The formula in float64, without any care for the order of sums."""
    inputs, parts, missing = bundle.projection.inputs, [], []
    for vector, dim, weight in (
        (features.image_vector(), bundle.encoder.image_dim, inputs.image_weight),
        (features.text_vector(), bundle.encoder.text_dim, inputs.text_weight),
    ):
        present = vector is not None and vector.any()
        wide = vector.astype(np.float64) if present else np.zeros(dim)
        parts.append(wide / np.linalg.norm(wide) * weight if present else wide)
        missing.append(0.0 if present else 1.0)
    numbers = numbers_of(features.offer).astype(np.float64)
    known = np.isfinite(numbers)
    scaled = np.clip((numbers - inputs.numbers.means) / inputs.numbers.deviations, -4, 4)
    parts.append(np.where(known, scaled, 0) * inputs.numbers.weight)
    row = np.concatenate([*parts, missing, ~known * inputs.numbers.weight])
    for number, layer in enumerate(bundle.network.layers):
        row = layer.matrix.astype(np.float64) @ (np.maximum(row, 0) if number else row) + layer.bias
    return row / np.linalg.norm(row)


@KINDS
@settings(max_examples=examples(150), deadline=None)
@given(batch=st.lists(FEATURES, min_size=1, max_size=8), random=st.randoms(use_true_random=False))
def test_an_embedding_has_the_same_bits_in_every_batch(kind, batch, random) -> None:
    bundle = BUNDLES[kind]
    alone = [project([features], bundle)[0].tobytes() for features in batch]
    order = list(range(len(batch)))
    random.shuffle(order)
    together = project([batch[n] for n in order], bundle)
    assert [row.tobytes() for row in together] == [alone[n] for n in order]
    assert project_arrays(stack(batch, bundle), bundle).tobytes() == project(batch, bundle).tobytes()


@KINDS
def test_so_it_is_at_the_size_of_real_encoders(kind) -> None:
    bundle = learned(kind, dim=192, hidden=64, image_dim=1280, text_dim=384)
    random = np.random.default_rng(1)
    batch = [made(random.standard_normal(1280), random.standard_normal(384)) for _ in range(65)]
    together = project(batch, bundle)
    for features, row in zip(batch, together, strict=True):
        assert project([features], bundle)[0].tobytes() == row.tobytes()


@KINDS
@given(features=FEATURES)
def test_it_is_the_formula_rounded_to_fp16(kind, features) -> None:
    (embedding,) = project([features], BUNDLES[kind])
    np.testing.assert_allclose(embedding, plain(features, BUNDLES[kind]), atol=1e-3)
    assert embedding.tobytes() == embedding.astype(np.float16).astype(np.float32).tobytes()
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=2e-3)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.floats(1e-20, 1e20))
def test_layers_add_up_exactly_whatever_the_order(seed, width, size) -> None:
    """Shuffling inputs and weights alike shuffles the order of the sums, and changes no bit."""
    random = np.random.default_rng(seed)
    layer = Layer((random.standard_normal((5, width)) * size).astype(np.float32), np.ones(5, np.float32))
    rows = random.standard_normal((4, width))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) / 7.5
    order = random.permutation(width)
    straight = Network([layer]).apply(rows)
    shuffled = Network([Layer(layer.matrix[:, order], layer.bias)]).apply(np.ascontiguousarray(rows[:, order]))
    assert straight.tobytes() == shuffled.tobytes()
    np.testing.assert_allclose(straight, rows @ layer.matrix.T + layer.bias, atol=1e-5 * max(1, size) * width)


def test_an_outlier_among_the_numbers_is_cut_off() -> None:
    def with_price(price: float):
        offer = Offer(offer_id="a", n_sizes=1, price=Price(amount=price, currency="EUR"))
        return features_of(offer, Version(0, 1), np.ones(IMAGE))

    far, farther = project([with_price(1e20), with_price(1e300)], BUNDLES["linear"])
    assert np.array_equal(far, farther)
    unknown = project([with_price(0.0), with_price(np.inf)], BUNDLES["linear"])
    assert np.array_equal(unknown[0], unknown[1])
    assert not np.array_equal(unknown[0], far)


def test_an_offer_needs_a_modality_that_the_projection_reads() -> None:
    bundle = learned(inputs=Inputs(image_weight=1.0, text_weight=0.0, numbers=NUMBERS))
    assert check_features(made(np.ones(IMAGE), None), bundle) is None
    failure = check_features(made(None, np.ones(TEXT)), bundle)
    assert failure is not None
    assert failure.reason == "bad_features"


def test_mixed_modalities_have_no_parts_of_their_own() -> None:
    embeddings = project([made(np.ones(IMAGE), np.ones(TEXT)), made(np.ones(IMAGE), None)], BUNDLES["linear"])
    assert modality_parts(embeddings, BUNDLES["linear"]) == {}


def test_prices_are_those_of_training_whatever_their_currency() -> None:
    """What is trained on is in euros; the event carries the logarithm of the seller's own amount."""
    dear = Offer(offer_id="a", n_sizes=3, price=Price(amount=1_000.0, currency="JPY"))
    features = features_of(dear, Version(0, 1), np.ones(IMAGE), numbers=np.array([3, 1.0986, 6.9078], "<f4").tobytes())
    same = msgspec.structs.replace(dear, price=Price(amount=1_000 / 123.8, currency="EUR"))
    cheap = msgspec.structs.replace(features, offer=same)
    assert stack([features], BUNDLES["linear"]).numbers[0].tobytes() == numbers_of(dear).tobytes()
    one, other = project([features, cheap], BUNDLES["linear"])
    assert np.array_equal(one, other)


@KINDS
def test_what_is_saved_is_loaded(kind, tmp_path: Path) -> None:
    saved = save_bundle(BUNDLES[kind], tmp_path / "a")
    assert saved == BUNDLES[kind] == load_bundle(str(tmp_path / "a"))
    again = save_bundle(load_bundle(str(tmp_path / "a")), tmp_path / "b")
    assert again.dim == 6
    for name in ("bundle.json", "projection.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_fingerprint_covers_weights_kind_and_scaling() -> None:
    other_inputs = msgspec.structs.replace(INPUTS, text_weight=0.6)
    bundles = [learned(), learned(seed=1), learned("perceptron"), learned(inputs=other_inputs), learned(dim=7)]
    assert len({fingerprint_of(bundle) for bundle in bundles}) == 5


def test_one_changed_weight_changes_the_digest() -> None:
    layer = BUNDLES["linear"].network.layers[0]
    matrix = layer.matrix.copy()
    matrix[0, 0] = np.nextafter(matrix[0, 0], 9)
    assert Network([Layer(matrix, layer.bias)]).digest != Network([layer]).digest


def test_weights_that_a_bundle_does_not_name_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected the weights"):
        save_bundle(msgspec.structs.replace(learned(), network=learned(seed=1).network), tmp_path)
    with pytest.raises(ValueError, match="got none"):
        save_bundle(msgspec.structs.replace(learned(), network=None), tmp_path)


def test_a_bundle_without_learning_leaves_no_old_weights_behind(tmp_path: Path) -> None:
    save_bundle(learned(), tmp_path)
    save_bundle(a_bundle(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.json"]


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def changed(**tensors):
    def write(path: Path) -> None:
        save_file({name: t for name, t in (load_file(path) | tensors).items() if t is not None}, path)

    return write


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, r"expected a readable projection\.safetensors"),
        (lambda path: path.write_bytes(b""), "expected safetensors"),
        (lambda path: path.write_bytes(b"\x80\x04K\x01."), "expected safetensors"),
        (lambda path: path.write_bytes(path.read_bytes()[:-4]), "expected safetensors"),
        (lambda path: path.write_bytes(path.read_bytes() + b"more"), "expected safetensors"),
        (flipped, "damaged"),
        (changed(weight=np.ones((6, 3), np.float32)), r"expected float32 tensors of shapes .*\(6, 20\)"),
        (changed(bias=np.ones(6, np.float64)), "float64"),
        (changed(bias=np.full(6, np.nan, np.float32)), "expected finite weights"),
        (changed(bias=None), "expected float32 tensors"),
        (changed(more=np.ones(1, np.float32)), "expected float32 tensors"),
        (changed(bias=np.ones(6, np.float32)), "damaged"),
    ],
)
def test_weights_that_are_not_what_they_should_be_are_refused(tmp_path: Path, damage, message) -> None:
    save_bundle(learned(), tmp_path)
    damage(tmp_path / "projection.safetensors")
    with pytest.raises(BundleUnusable, match=message) as refused:
        load_bundle(str(tmp_path))
    assert str(tmp_path) in str(refused.value)


def test_another_digest_in_the_json_is_an_edited_bundle(tmp_path: Path) -> None:
    save_bundle(learned(), tmp_path)
    path = tmp_path / "bundle.json"
    path.write_text(path.read_text().replace(learned().projection.weights, hashlib.sha256(b"").hexdigest()))
    with pytest.raises(BundleUnusable, match="it was edited or damaged"):
        load_bundle(str(tmp_path))
