"""One training set from several datasets: their features together, products and sellers numbered without mix-ups."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from matcher.arrays import I64Array
from matcher.brands import BrandTable
from matcher.training.dataset import Dataset, Features
from matcher.training.splits import numbered, product_labels


class Unlearnable(ValueError):
    """Offers from which nothing can be learned; the message says what was expected."""


class Labelled(Struct, frozen=True, kw_only=True):
    """What the loss and the batches need: raw features of n offers, `products` i64[n], `sellers` and `brands` i64[n]
    (-1 where unknown)."""

    features: Features
    products: I64Array
    sellers: I64Array
    brands: I64Array

    def __len__(self) -> int:
        return len(self.products)

    def take(self, rows: I64Array) -> "Labelled":
        """Some of the offers, in their order."""
        return Labelled(
            features=self.features.take(rows),
            products=self.products[rows],
            sellers=self.sellers[rows],
            brands=self.brands[rows],
        )


def labelled(datasets: Sequence[Dataset]) -> Labelled:
    """Puts datasets together. The same product id in two tables is two products, the same seller id two sellers.

    Where a table has no product ids, the connected components of its positive pairs are its products. Raises
    `Unlearnable` without any dataset, and when they come from different encoders.
    """
    if not datasets:
        raise Unlearnable("expected at least one dataset to learn from")
    encoders = {dataset.encoder.fingerprint: dataset.name for dataset in datasets}
    if len(encoders) > 1:
        raise Unlearnable(f"expected features of one encoder, got those of {len(encoders)}: {encoders}")
    products, sellers, first_product, first_seller = [], [], 0, 0
    for dataset in datasets:
        numbers = product_labels(dataset)
        products.append(numbers + first_product)
        first_product += int(numbers.max(initial=-1)) + 1
        known = np.array([seller is not None for seller in dataset.sellers], np.bool_)
        sellers.append(np.where(known, numbered(dataset.sellers) + first_seller, -1))
        first_seller += len(dataset)
    table = BrandTable()
    brands = [table.block(offer.brand) for dataset in datasets for offer in dataset.offers]
    parts = [dataset.features for dataset in datasets]
    return Labelled(
        features=Features(
            image=np.concatenate([part.image for part in parts]),
            has_image=np.concatenate([part.has_image for part in parts]),
            text=np.concatenate([part.text for part in parts]),
            has_text=np.concatenate([part.has_text for part in parts]),
            numbers=np.concatenate([part.numbers for part in parts]),
        ),
        products=np.concatenate(products),
        sellers=np.concatenate(sellers),
        brands=np.array(brands, np.int64),
    )
