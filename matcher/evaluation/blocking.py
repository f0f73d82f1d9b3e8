"""Brand blocks as a rule of an evaluation: what is left out is what a matcher with such a bundle leaves out."""

from collections.abc import Sequence

import numpy as np

from matcher.arrays import BoolArray, I64Array
from matcher.brands import BRANDLESS, BrandTable
from matcher.evaluation.visibility import Allowed
from matcher.events.offer import Offer


def brand_rule(offers: Sequence[Offer]) -> Allowed:
    """Which of `offers` each may be matched with, by their brands; a function of the two offers alone."""
    table = BrandTable()
    blocks = np.array([table.block(offer.brand) for offer in offers], np.int64)

    def allowed(queries: I64Array, rows: I64Array) -> BoolArray:
        return np.stack([_sees(row)[blocks[rows]] for row in queries.tolist()])

    def _sees(row: int) -> BoolArray:
        """bool[blocks + 1]: which blocks the offer in `row` searches; the last place is that of the brandless."""
        seen = table.seen_by(offers[row].brand, offers[row].title)
        open_ = np.full(len(table) + 1, seen is None)
        open_[list(seen or ())] = True
        open_[BRANDLESS] = True
        return open_

    return allowed
