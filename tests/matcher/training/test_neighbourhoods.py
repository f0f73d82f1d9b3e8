"""What comes into a batch together: products of one brand and about one price, each product whole."""

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matcher.training.labelled import labelled
from matcher.training.neighbourhoods import brand_and_price, drawn_together
from tests.matcher.training.making import a_dataset

NAN = float("nan")


def groups_of(rows) -> list[int]:
    products, brands, prices = zip(*rows, strict=True)
    with np.errstate(divide="ignore"):
        euros = np.log(np.array(prices, np.float32))
    return brand_and_price(np.array(products, np.int64), np.array(brands, np.int64), euros).tolist()


def test_products_of_one_brand_and_price_band_are_together_and_others_are_not() -> None:
    one, alike, dearer, other = groups_of([(0, 5, 40.0), (1, 5, 60.0), (2, 5, 70.0), (3, 6, 40.0)])
    assert one == alike
    assert len({one, dearer, other}) == 3


def test_the_brand_of_most_offers_and_the_median_price_speak_for_a_product() -> None:
    rows = [(0, 5, 40.0), (0, 5, 45.0), (0, 6, 900.0), (0, -1, NAN), (1, 5, 40.0), (2, 6, 900.0)]
    found = groups_of(rows)
    assert found[:4] == [found[4]] * 4
    assert found[5] != found[4]


def test_without_a_brand_the_price_counts_and_products_of_which_nothing_is_known_stay_apart() -> None:
    found = groups_of([(0, -1, 40.0), (1, -1, 50.0), (2, 5, NAN), (3, 5, NAN), (4, -1, NAN), (5, -1, NAN)])
    assert found[0] == found[1]
    assert found[2] == found[3]
    assert len(set(found)) == 4


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 2), st.sampled_from([NAN, 1.0, 9.0, 0.0])), min_size=1))
def test_no_product_is_divided(rows) -> None:
    found = groups_of(rows)
    home = {}
    assert all(home.setdefault(row[0], group) == group for row, group in zip(rows, found, strict=True))


def test_brands_are_read_from_the_offers_whatever_way_they_are_written() -> None:
    dataset = a_dataset(products=3, offers=2)
    names = ["Nike", "NIKE Inc.", "nike", "Nike", "Asics", "ASICS"]
    offers = [msgspec.structs.replace(o, brand=name) for o, name in zip(dataset.offers, names, strict=True)]
    data = labelled([msgspec.structs.replace(dataset, offers=offers)])
    assert drawn_together(data, "brand_price").tolist() == [0, 0, 0, 0, 1, 1]
    assert drawn_together(data, "products") is None
