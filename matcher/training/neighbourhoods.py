"""Which products are drawn into a batch together, so that a small batch holds hard negatives."""

import numpy as np

from matcher.arrays import F32Array, I64Array
from matcher.training.labelled import Labelled
from matcher.training.options import DrawnBy
from matcher.training.splits import sibling_groups

#: Where the logarithm of the price in euros stands in `Features.numbers`.
_LOG_EUROS = 2


def drawn_together(data: Labelled, by: DrawnBy) -> I64Array | None:
    """`i64[n]`: a group for each offer, each a union of products; None where products are drawn one by one."""
    if by == "products":
        return None
    if by == "siblings":
        return sibling_groups(data.features, data.products)
    return brand_and_price(data.products, data.brands, data.features.numbers[:, _LOG_EUROS])


def brand_and_price(products: I64Array, brands: I64Array, log_euros: F32Array) -> I64Array:
    """`i64[n]`: products of one brand (i64[n], -1 unknown) and price band, each band twice as high as the one below.

    A product has the brand that most of its offers name, and their median price. Without a brand the price alone
    counts, without a price the brand; a product with neither is alone.
    """
    unique, product = np.unique(products, return_inverse=True)
    bands = np.floor(log_euros.astype(np.float64) / np.log(2))
    numbers: dict[tuple[int, float], int] = {}
    groups = np.empty(len(unique), np.int64)
    order = np.argsort(product, kind="stable")
    rows_of = np.split(order, np.searchsorted(product[order], np.arange(1, len(unique))))
    for place, rows in enumerate(rows_of):
        named = brands[rows][brands[rows] >= 0]
        priced = bands[rows][np.isfinite(bands[rows])]
        brand = int(np.bincount(named).argmax()) if len(named) else -1
        band = float(np.floor(np.median(priced))) if len(priced) else np.inf
        # The minus one and below belong to products that nothing is known of: each its own.
        key = (brand, band) if len(named) or len(priced) else (-2 - place, band)
        groups[place] = numbers.setdefault(key, len(numbers))
    return groups[product]
