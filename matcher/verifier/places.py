"""What stands at the same place of two titles: behind (or before) a word that both have, different words."""

import numpy as np
from msgspec import Struct

from matcher.arrays import AnyArray, BoolArray, F32Array, F64Array, I64Array
from matcher.verifier.table import TraitTable, contains, entries
from matcher.verifier.words import HashArray


class Side(Struct, frozen=True, kw_only=True):
    """The neighbours in one title of each pair: `pair` i64[k], the words, what they weigh, and whether the other title
    has them, bool[k].
    """

    pair: I64Array
    before: HashArray
    after: HashArray
    weight_before: F32Array
    weight_after: F32Array
    after_number: BoolArray
    has_before: BoolArray
    has_after: BoolArray


def sides_of(table: TraitTable, left: I64Array, right: I64Array) -> tuple[Side, Side]:
    """The left titles beside the right ones, and the other way round."""
    return _side(table, left, right), _side(table, right, left)


def swapped_words(one: Side, other: Side, pairs: int) -> F64Array:
    """f64[pairs]: the weights of words that are exchanged for others, `note 8 [pro]` against `note 8 [lite]`, added up.

    An exchange is a word that both titles have, followed (or preceded) in each by a word that the other lacks; it
    weighs as much as the more common of the two.
    """
    return _exchanged(_behind(one), _behind(other), pairs) + _exchanged(_in_front(one), _in_front(other), pairs)


def missing_marks(one: Side, other: Side, pairs: int) -> tuple[F64Array, F64Array]:
    """f64[pairs] twice, the lesser and the greater side: weights of words behind a shared number that the other title
    lacks, as the t in `note 8t`.
    """
    sums: list[F64Array] = []
    for side in (one, other):
        gap = side.after_number & side.has_before & ~side.has_after
        sums.append(np.bincount(side.pair[gap], side.weight_after[gap], pairs).astype(np.float64))
    return np.minimum(*sums), np.maximum(*sums)


def _side(table: TraitTable, rows: I64Array, others: I64Array) -> Side:
    near, atoms = table.neighbours, table.bags["atoms"]
    pair, entry = entries(near.starts, rows)
    before, after = near.before[entry], near.after[entry]
    return Side(
        pair=pair,
        before=before,
        after=after,
        weight_before=near.weight_before[entry],
        weight_after=near.weight_after[entry],
        after_number=near.after_number[entry],
        has_before=contains(atoms, others[pair], before),
        has_after=contains(atoms, others[pair], after),
    )


def _behind(side: Side) -> tuple[AnyArray, F32Array]:
    """Pair and shared word in one number u64[k], ascending by pair, and the weight of the missing word behind it."""
    gap = side.has_before & ~side.has_after
    return (side.pair[gap].astype(np.uint64) << np.uint64(32)) | side.before[gap], side.weight_after[gap]


def _in_front(side: Side) -> tuple[AnyArray, F32Array]:
    gap = side.has_after & ~side.has_before
    return (side.pair[gap].astype(np.uint64) << np.uint64(32)) | side.after[gap], side.weight_before[gap]


def _exchanged(one: tuple[AnyArray, F32Array], other: tuple[AnyArray, F32Array], pairs: int) -> F64Array:
    shared, first, second = np.intersect1d(one[0], other[0], return_indices=True)
    weight = np.minimum(one[1][first], other[1][second])
    return np.bincount((shared >> np.uint64(32)).astype(np.int64), weight, pairs).astype(np.float64)
