"""Training finds what tells products apart, repeats itself, and says so where there is nothing to learn from."""

import msgspec
import numpy as np
import pytest

from matcher.model.bundle import Linear, Perceptron, load_bundle, save_bundle
from matcher.model.inputs import input_rows
from matcher.model.network import Network
from matcher.model.projection import project_arrays
from matcher.training.blocks import Columns, scaling, training_rows
from matcher.training.options import ProjectionOptions
from matcher.training.projection import Fitted, Unlearnable, fit_projection
from matcher.training.start import averaged, random_layers, whitened
from tests.matcher.making import a_bundle
from tests.matcher.training.making import a_dataset

QUICK = ProjectionOptions(dim=6, least_steps=60, epochs=1, learning_rate=0.02)


def quick(**changes) -> ProjectionOptions:
    return msgspec.structs.replace(QUICK, **changes)


def bundle_of(fitted: Fitted, dataset):
    facts = dataset.encoder
    plain = a_bundle(image_dim=facts.image_dim, text_dim=facts.text_dim)
    return msgspec.structs.replace(plain, projection=fitted.projection, network=fitted.network)


def found(embeddings, products) -> float:
    """The share of offers whose nearest other offer is of their product."""
    scores = embeddings @ embeddings.T
    np.fill_diagonal(scores, -9)
    names = np.array(products)
    return float((names[scores.argmax(axis=1)] == names).mean())


HARD = {"products": 60, "offers": 4, "siblings": 1, "noise": 2.0}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kind": "perceptron", "hidden": 32},
        {"seeds": (0, 1)},
        {"start": "whitened", "pull": 1e-4, "dim": 16},
        {"ema": 0.9},
        {"batch": 40},
        {"learn_temperature": True},
        {"drawn_by": "siblings", "batch": 40},
        {"drawn_by": "products", "batch": 40},
        {"memory": 100, "batch": 40},
    ],
)
def test_products_that_were_never_seen_are_found_more_often_than_by_raw_features(changes) -> None:
    seen, unseen = a_dataset(**HARD, seed=1), a_dataset(**HARD, seed=2)
    raw = unseen.features.text.astype(np.float32)
    raw /= np.linalg.norm(raw, axis=1, keepdims=True)
    fitted = fit_projection([seen], quick(**changes))
    learned = project_arrays(unseen.features, bundle_of(fitted, seen))
    assert found(learned, unseen.products) > found(raw, unseen.products) + 0.1


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    dataset = a_dataset()
    one, again, other = (fit_projection([dataset], quick(seeds=(seed,))) for seed in (3, 3, 4))
    assert one.projection.weights == again.projection.weights == one.network.digest
    assert one.network != other.network


def test_the_memory_counts_from_when_it_is_full() -> None:
    dataset = a_dataset(products=20)
    plain, endless, full = (fit_projection([dataset], quick(memory=size, batch=20)) for size in (0, 10**6, 40))
    assert endless.network == plain.network
    assert full.network != plain.network


def test_a_fitted_projection_survives_the_disk(tmp_path) -> None:
    dataset = a_dataset(images=True, numbers=True)
    for kind, expected in (("linear", Linear), ("perceptron", Perceptron)):
        fitted = fit_projection([dataset], quick(kind=kind))
        assert isinstance(fitted.projection, expected)
        bundle = bundle_of(fitted, dataset)
        save_bundle(bundle, tmp_path / kind)
        back = load_bundle(str(tmp_path / kind))
        assert back.network == fitted.network
        np.testing.assert_array_equal(project_arrays(dataset.features, back), project_arrays(dataset.features, bundle))


def test_lone_negatives_are_removed_unless_they_are_wanted() -> None:
    dataset = a_dataset(products=6, offers=2, unknown=5)
    assert fit_projection([dataset], quick()).offers == 12
    kept = fit_projection([dataset], quick(lone_negatives=True))
    assert (kept.offers, kept.products) == (17, 11)


def test_progress_is_told_to_the_last_step() -> None:
    told = []
    fitted = fit_projection([a_dataset()], quick(), told.append)
    assert told[-1].step == told[-1].steps == fitted.steps == 60
    assert [reached.step for reached in told] == sorted(reached.step for reached in told)
    assert told[-1].loss < told[0].loss
    assert tuple(told) == fitted.looks


def test_epochs_count_where_they_are_more_than_the_least_steps() -> None:
    dataset = a_dataset(products=10, offers=2)
    assert fit_projection([dataset], quick(batch=4, epochs=20, least_steps=1)).steps == 20 * 5


def test_training_stops_early_and_keeps_the_best_weights() -> None:
    """With noise alone the products held back only get worse."""
    dataset = a_dataset(products=40, offers=2, noise=0.0, dim=30)
    random = np.random.default_rng(0)
    features = msgspec.structs.replace(dataset.features, text=random.standard_normal((80, 30)).astype(np.float16))
    fitted = fit_projection(
        [msgspec.structs.replace(dataset, features=features)],
        quick(validation=0.25, patience=2, least_steps=400, learning_rate=0.05),
    )
    losses = [look.validation for look in fitted.looks]
    assert fitted.steps < 400
    assert len(losses) - 1 - int(np.argmin(losses)) == 2


def test_labelled_pairs_serve_where_there_are_no_product_ids() -> None:
    from matcher.training.dataset import Pairs

    left = np.arange(0, 30, 3).repeat(2)
    pairs = {"pairs_train": Pairs(left=left, right=left + np.tile([1, 2], 10), same=np.ones(20, np.bool_))}
    fitted = fit_projection([a_dataset(known=False, pairs=pairs)], quick())
    assert (fitted.offers, fitted.products) == (30, 10)


@pytest.mark.parametrize(
    ("dataset", "changes", "message"),
    [
        (a_dataset(known=False), {}, "got 0 .of 30 products"),
        (a_dataset(products=1), {}, "expected at least two products"),
        (a_dataset(offers=1), {"lone_negatives": True}, "expected at least two products"),
        (a_dataset(sellers=["s"] * 30), {"same_seller": "no_pairs"}, "two offers of another seller each"),
        (a_dataset(), {"modalities": ("image",)}, "expected offers with one of"),
        (a_dataset(products=3), {"validation": 0.2}, "expected at least four products"),
    ],
)
def test_where_nothing_can_be_learned_it_says_what_was_expected(dataset, changes, message) -> None:
    with pytest.raises(Unlearnable, match=message):
        fit_projection([dataset], quick(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": ()}, "at least one seed"),
        ({"modalities": ("numbers",)}, "expected image or text"),
        ({"kind": "perceptron", "seeds": (0, 1)}, "only linear maps"),
        ({"kind": "perceptron", "start": "whitened"}, "only linear maps"),
    ],
)
def test_options_that_mean_nothing_are_refused(changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        ProjectionOptions(**changes)


def test_a_dropped_modality_looks_exactly_like_a_missing_one() -> None:
    import torch

    dataset = a_dataset(images=True, numbers=True)
    features = dataset.features
    inputs = scaling(features, QUICK)
    full = torch.from_numpy(training_rows(features, inputs, learn_missing=True))
    Columns(inputs, 8, 16).drop(full, 0.999999, torch.Generator().manual_seed(0), flagged=True)
    blind = msgspec.structs.replace(features, image=features.image * 0, numbers=features.numbers * np.nan)
    mute = msgspec.structs.replace(features, text=features.text * 0, numbers=features.numbers * np.nan)
    either = [input_rows(one, inputs).astype(np.float32) for one in (blind, mute)]
    taken = [int(np.flatnonzero([np.array_equal(row, e[n]) for e in either])[0]) for n, row in enumerate(full.numpy())]
    assert set(taken) == {0, 1}


def test_what_was_never_missing_in_training_leaves_no_random_vector_behind() -> None:
    dataset = a_dataset(images=True)
    flags = slice(8 + 16, None)
    untouched = fit_projection([dataset], quick(drop=0.0)).network.layers[0].matrix
    assert not untouched[:, flags].any()
    assert fit_projection([dataset], quick(drop=0.5)).network.layers[0].matrix[:, flags].any()
    assert not fit_projection([dataset], quick(drop=0.5, missing="zero")).network.layers[0].matrix[:, flags].any()


def test_whitening_gives_inputs_the_same_variance_in_every_direction() -> None:
    rows = np.random.default_rng(0).standard_normal((500, 5)).astype(np.float32) * [9, 3, 1, 1, 0.1] + 4
    layer = whitened(rows.astype(np.float32), 5, 0.0)
    out = rows @ layer.matrix.T + layer.bias
    assert np.cov(out.T) * 5 == pytest.approx(np.eye(5) * np.trace(np.cov(out.T)), abs=0.01)
    assert np.linalg.norm(out, axis=1).mean() == pytest.approx(1, abs=0.01)
    assert whitened(rows.astype(np.float32), 8, 0.5).matrix.shape == (8, 5)


def test_averaged_maps_have_the_average_of_the_inner_products() -> None:
    maps = [random_layers([7, 9], seed)[0] for seed in range(3)]
    rows = np.random.default_rng(0).standard_normal((20, 7))

    def products(layer):
        return (rows @ layer.matrix.T + layer.bias) @ (rows @ layer.matrix.T + layer.bias).T

    expected = np.mean([products(layer) for layer in maps], axis=0)
    np.testing.assert_allclose(products(averaged(maps, 9)), expected, atol=1e-4)
    assert averaged(maps, 4).matrix.shape == (4, 7)
    assert Network([averaged(maps, 12)]).layers[0].matrix.shape == (12, 7)
