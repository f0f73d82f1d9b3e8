"""Batches keep products whole; splits keep products and their near twins on one side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.training.dataset import Pairs
from matcher.training.labelled import Unlearnable, labelled
from matcher.training.sampler import ProductBatches, has_partner
from matcher.training.splits import components, dataset_groups, folds, held_out, product_labels, sibling_groups
from tests.matcher.training.making import a_dataset, features_around

PRODUCTS = st.lists(st.integers(0, 12), min_size=1, max_size=40).map(lambda values: np.array(values, np.int64))


@given(PRODUCTS, st.integers(2, 50), st.integers(0, 1000))
def test_an_epoch_shows_every_offer_once_and_divides_no_product(products, size, seed) -> None:
    batches = list(ProductBatches(products, size, seed).epoch())
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(products)))
    home = {}
    for number, batch in enumerate(batches):
        assert len(batch) <= size or len(np.unique(products[batch])) == 1
        for row in batch:
            assert home.setdefault(products[row], number) == number


def test_the_same_seed_draws_the_same_batches_and_epochs_differ() -> None:
    products = np.arange(50) // 2
    one, other = ProductBatches(products, 10, 3), ProductBatches(products, 10, 3)
    first = [batch.tolist() for batch in one.epoch()]
    assert first == [batch.tolist() for batch in other.epoch()]
    assert first != [batch.tolist() for batch in one.epoch()]
    assert first != [batch.tolist() for batch in ProductBatches(products, 10, 4).epoch()]


def test_sibling_groups_are_drawn_one_after_the_other() -> None:
    products = np.repeat(np.arange(20), 2)
    groups = products // 5
    (order,) = ProductBatches(products, 1000, 0, groups).epoch()
    assert len(np.flatnonzero(np.diff(groups[order]))) == 3


@given(PRODUCTS, st.integers(0, 1000))
def test_who_has_a_partner_is_counted_as_by_looking(products, seed) -> None:
    sellers = np.random.default_rng(seed).integers(-1, 3, len(products))
    n = range(len(products))
    assert has_partner(products).tolist() == [any(products[i] == products[j] and i != j for j in n) for i in n]
    assert has_partner(products, sellers).tolist() == [
        any(products[i] == products[j] and i != j and (sellers[i] != sellers[j] or sellers[i] < 0) for j in n)
        for i in n
    ]


@pytest.mark.parametrize("by", ["product", "group"])
def test_folds_and_held_out_products_are_whole_and_repeatable(by) -> None:
    dataset = a_dataset(products=30, offers=3, siblings=5)
    units = product_labels(dataset) if by == "product" else dataset_groups(dataset, product_labels(dataset))
    for side in (folds(dataset, 3, by, 7), held_out(dataset, 0.5, by, 7)):
        assert all(len(np.unique(side[units == unit])) == 1 for unit in np.unique(units))
        assert len(side) == 90
    assert np.bincount(folds(dataset, 3, by, 7)).tolist() == [30, 30, 30]
    assert abs(held_out(dataset, 0.5, by, 7).sum() - 45) <= (15 if by == "group" else 3)
    assert np.array_equal(folds(dataset, 3, by, 7), folds(dataset, 3, by, 7))
    assert not np.array_equal(folds(dataset, 3, by, 7), folds(dataset, 3, by, 8))


def test_near_twins_never_straddle_a_grouped_split() -> None:
    """Products come in families of two that nearly coincide; the plain split divides some of them."""
    dataset = a_dataset(products=40, offers=2, siblings=2)
    family = np.repeat(np.arange(20), 4)

    def divided(side) -> int:
        return sum(len(np.unique(side[family == one])) > 1 for one in range(20))

    assert divided(held_out(dataset, 0.5, "group", 1)) == 0
    assert divided(held_out(dataset, 0.5, "product", 1)) > 0


def test_chains_of_neighbours_do_not_join_everything() -> None:
    angles = np.linspace(0, 3, 100)
    features = features_around(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    sizes = np.bincount(sibling_groups(features, np.arange(100), largest=0.1))
    assert sizes.max() <= 10
    assert np.bincount(sibling_groups(features, np.arange(100), largest=1.0)).max() > 10


def test_styles_are_the_groups_where_the_table_names_them() -> None:
    dataset = a_dataset(products=6, offers=2, siblings=1, styles=["s", "s", None, "t", "t", None])
    groups = dataset_groups(dataset, product_labels(dataset))
    assert [len(np.unique(groups[rows])) for rows in (slice(0, 4), slice(6, 10))] == [1, 1]
    assert len(np.unique(groups)) == 4


def test_pairs_make_products_where_there_are_no_ids() -> None:
    pairs = Pairs(left=np.array([0, 1, 3]), right=np.array([1, 2, 4]), same=np.array([True, True, False]))
    found = components(6, [pairs])
    assert found[0] == found[1] == found[2]
    assert len(np.unique(found)) == 4
    dataset = a_dataset(products=3, offers=2, siblings=1, known=False, pairs={"train": pairs})
    assert np.array_equal(product_labels(dataset), found)


def test_offers_of_unknown_product_are_alone() -> None:
    dataset = a_dataset(products=4, offers=2, siblings=1, unknown=2)
    assert len(np.unique(product_labels(dataset))) == 4 + 2


def test_too_few_products_say_so() -> None:
    with pytest.raises(ValueError, match="expected 2 to 2 folds"):
        folds(a_dataset(products=2, offers=2, siblings=1), 3, "product", 0)
    with pytest.raises(ValueError, match="expected at least two products"):
        held_out(a_dataset(products=1, offers=2, siblings=1), 0.5, "product", 0)
    with pytest.raises(ValueError, match="expected a share between 0 and 1"):
        held_out(a_dataset(products=2, offers=2, siblings=1), 1.0, "product", 0)


def test_products_and_sellers_of_two_tables_are_not_mixed_up() -> None:
    one = a_dataset(products=2, offers=2, siblings=1, sellers=["a", "b", "a", None])
    together = labelled([one, one])
    assert len(np.unique(together.products)) == 4
    assert together.sellers[0] == together.sellers[2] != together.sellers[4]
    assert together.sellers[3] == together.sellers[7] == -1


def test_features_of_two_encoders_cannot_be_learned_from_together() -> None:
    with pytest.raises(Unlearnable, match="expected features of one encoder, got those of 2"):
        labelled([a_dataset(), a_dataset(encoder="another")])
    with pytest.raises(Unlearnable, match="expected at least one dataset"):
        labelled([])
