"""Which offers a query may be matched with: not itself, not its own seller's, in a stream not what came later."""

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from matcher.arrays import BoolArray, I64Array
from matcher.evaluation.standing import Standing
from matcher.training.dataset import Dataset

#: Of query rows i64[q] and candidate rows i64[c], which pairs a blocking rule lets through: bool[q, c].
Allowed = Callable[[I64Array, I64Array], BoolArray]


def codes(names: Sequence[str | None]) -> I64Array:
    """A number for each distinct name, i64[n]; -1 where there is none."""
    known: dict[str, int] = {}
    return np.array([-1 if name is None else known.setdefault(name, len(known)) for name in names], np.int64)


class Visibility(Struct, frozen=True, kw_only=True):
    """The rules of one evaluation.

    `sellers` i64[n]: offers of one seller do not see each other, -1 equals no one; None: sellers do not matter.
    `arrival` i64[n]: the rank of each offer in time, a stream in which each sees only what came before it; None: all
    against all. `allowed`: a blocking rule on top. It makes no query matchless: what it loses counts as lost.
    """

    sellers: I64Array | None = None
    arrival: I64Array | None = None
    allowed: Allowed | None = None

    def may_match(self, query: int, rows: I64Array) -> BoolArray:
        """bool[m]: which of the offers in `rows` the query may match, blocking left aside."""
        seen: BoolArray = rows != query
        if self.sellers is not None and self.sellers[query] >= 0:
            seen &= self.sellers[rows] != self.sellers[query]
        if self.arrival is not None:
            seen &= self.arrival[rows] < self.arrival[query]
        return seen


def visibility_of(
    dataset: Dataset, *, exclude_own_seller: bool, stream: bool, allowed: Allowed | None = None
) -> Visibility:
    """The rules for a dataset; in a stream its offers arrive in the order of their rows."""
    return Visibility(
        sellers=codes(dataset.sellers) if exclude_own_seller else None,
        arrival=np.arange(len(dataset), dtype=np.int64) if stream else None,
        allowed=allowed,
    )


def have_match(products: Sequence[str | None], queries: I64Array, visible: Visibility) -> BoolArray:
    """bool[q]: whether an offer of the query's product may be matched with it, blocking left aside."""
    sellers = None if visible.sellers is None else visible.sellers.tolist()
    standing = Standing(exclude_own_seller=sellers is not None)

    def place(row: int) -> tuple[str, str | None]:
        seller = str(sellers[row]) if sellers is not None and sellers[row] >= 0 else None
        return products[row] or "", seller

    known = [row for row, product in enumerate(products) if product is not None]
    answers: dict[int, bool] = {}
    asked = set(queries.tolist())
    if visible.arrival is not None:
        for row in sorted(known, key=visible.arrival.tolist().__getitem__):
            product, seller = place(row)
            answers[row] = standing.has_match(0, product, seller)
            standing.enter(str(row), 0, product, seller)
    else:
        for row in known:
            standing.enter(str(row), 0, *place(row))
        for row in asked.intersection(known):
            standing.leave(str(row))
            answers[row] = standing.has_match(0, *place(row))
            standing.enter(str(row), 0, *place(row))
    return np.array([answers.get(row, False) for row in queries.tolist()], np.bool_)
