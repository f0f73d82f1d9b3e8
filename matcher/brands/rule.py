"""The rule of brand blocks between offers: the one place that the matcher, its batches, training and evaluation ask.

An offer that asks sees another if one of the two has no brand, if the brands can be the same, or if its own title names
the other's brand. That depends on the two offers alone, never on what else is known nor on the numbers of blocks.
"""

from collections.abc import Sequence

import numpy as np

from index_store.store import ANY_BLOCK, NO_BLOCK
from matcher.arrays import BoolArray, I32Array, I64Array
from matcher.brands.names import read_brand
from matcher.brands.table import BRANDLESS, BrandTable
from matcher.events.offer import Offer


class BrandRule:
    """The rule over some offers, which may be seen."""

    def __init__(self, others: Sequence[Offer]) -> None:
        self._table = BrandTable()
        self._blocks: I64Array = np.array([self._table.block(offer.brand) for offer in others], np.int64)

    def seen_by(self, asking: Offer) -> BoolArray:
        """bool[others]: which of them this offer sees."""
        seen = self._table.seen_by(asking.brand, asking.title)
        if seen is None:
            return np.ones(len(self._blocks), np.bool_)
        # The last place is that of the brandless.
        open_ = np.zeros(len(self._table) + 1, np.bool_)
        open_[[BRANDLESS, *seen]] = True
        result: BoolArray = open_[self._blocks]
        return result


def block_name(offer: Offer) -> str | None:
    """The name of the block that an offer belongs to; None for the brandless."""
    brand = read_brand(offer.brand)
    return None if brand is None else brand.name


def searched_blocks(table: BrandTable, asking: Sequence[Offer]) -> I32Array:
    """The blocks of `table` that each offer searches, as `IndexStore.search` takes them: i32[n, m]."""
    seen = [table.seen_by(offer.brand, offer.title) for offer in asking]
    width = max((len(blocks) for blocks in seen if blocks is not None), default=0)
    rows = np.full((len(asking), max(1, width)), NO_BLOCK, np.int32)
    for row, blocks in zip(rows, seen, strict=True):
        if blocks is None:
            row[0] = ANY_BLOCK
        else:
            row[: len(blocks)] = sorted(blocks)
    return rows
