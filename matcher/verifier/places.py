"""What stands at the same place of two titles: behind (or before) a word that both have, different words."""

import numpy as np

from matcher.arrays import F32Array, F64Array, I64Array
from matcher.verifier.table import TraitTable, contains, entries
from matcher.verifier.words import HashArray


def swapped_words(table: TraitTable, left: I64Array, right: I64Array) -> F64Array:
    """f64[m]: the weights of words that are exchanged for others, `note 8 [pro]` against `note 8 [lite]`, added up.

    An exchange is a word that both titles have, followed (or preceded) in each by a word that the other lacks; it
    weighs as much as the more common of the two.
    """
    total = np.zeros(len(left), np.float64)
    for forwards in (True, False):
        one, other = _gaps(table, left, right, forwards), _gaps(table, right, left, forwards)
        total += _exchanged(one, other, len(left))
    return total


def missing_marks(table: TraitTable, left: I64Array, right: I64Array) -> tuple[F64Array, F64Array]:
    """f64[m] twice, the lesser and the greater side: weights of words behind a shared number that the other title
    lacks, as the t in `note 8t`.
    """
    sides: list[F64Array] = []
    for a, b in ((left, right), (right, left)):
        pair, entry = entries(table.neighbours.starts, a)
        chosen = table.neighbours.after_number[entry]
        pair, entry = pair[chosen], entry[chosen]
        gap = contains(table.bags["atoms"], b[pair], table.neighbours.before[entry])
        gap &= ~contains(table.bags["atoms"], b[pair], table.neighbours.after[entry])
        sides.append(np.bincount(pair[gap], table.neighbours.weight_after[entry[gap]], len(left)).astype(np.float64))
    return np.minimum(*sides), np.maximum(*sides)


def _gaps(table: TraitTable, left: I64Array, right: I64Array, forwards: bool) -> tuple[I64Array, HashArray, F32Array]:
    """Of the left titles: pair, anchor (a word that the right title has too) and weight of its neighbour, which the
    right title lacks.
    """
    near = table.neighbours
    anchors, others, weights = (
        (near.before, near.after, near.weight_after) if forwards else (near.after, near.before, near.weight_before)
    )
    pair, entry = entries(near.starts, left)
    atoms = table.bags["atoms"]
    gap = ~contains(atoms, right[pair], others[entry])
    pair, entry = pair[gap], entry[gap]
    gap = contains(atoms, right[pair], anchors[entry])
    return pair[gap], anchors[entry[gap]], weights[entry[gap]]


def _exchanged(
    one: tuple[I64Array, HashArray, F32Array], other: tuple[I64Array, HashArray, F32Array], pairs: int
) -> F64Array:
    keys = [(pair.astype(np.uint64) << np.uint64(32)) | anchor for pair, anchor, _ in (one, other)]
    shared, first, second = np.intersect1d(keys[0], keys[1], return_indices=True)
    weight = np.minimum(one[2][first], other[2][second])
    return np.bincount((shared >> np.uint64(32)).astype(np.int64), weight, pairs).astype(np.float64)
