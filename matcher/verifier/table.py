"""The traits of many offers side by side, as flat arrays that pairs of rows are compared in."""

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from scipy.sparse import csr_array

from matcher.arrays import BoolArray, F32Array, F64Array, I64Array
from matcher.verifier.idf import IdfTable
from matcher.verifier.traits import Traits
from matcher.verifier.words import HashArray


class Bag(Struct, frozen=True, kw_only=True):
    """One kind of words of n offers: row r holds `words[starts[r]:starts[r + 1]]`, distinct and ascending.

    `keys` u64: row and word in one number, ascending throughout, so that one binary search finds a word in a row.
    `weights` f32: the IDF of each. `totals` f32[n]: their sum per row.
    """

    starts: I64Array
    words: HashArray
    keys: HashArray
    weights: F32Array
    totals: F32Array

    def rows(self) -> int:
        return len(self.starts) - 1


class Found(Struct, frozen=True, kw_only=True):
    """The words of the left offers of m pairs, pair by pair: `pair` i64[k], `hit` bool[k] (the right offer has the
    word too), `weight` f32[k], `word` u32[k]."""

    pair: I64Array
    hit: BoolArray
    weight: F32Array
    word: HashArray


class Neighbours(Struct, frozen=True, kw_only=True):
    """Each two neighbouring atoms of n titles, in order; row r holds `[starts[r]:starts[r + 1]]`.

    `weight_before`, `weight_after` f32: the IDF of either. `after_number`: a word that follows a number.
    """

    starts: I64Array
    before: HashArray
    after: HashArray
    weight_before: F32Array
    weight_after: F32Array
    after_number: BoolArray


class TraitTable(Struct, frozen=True, kw_only=True):
    """n offers, ready for comparing: bags of weighted words, and TF-IDF rows for those that are compared by cosine."""

    traits: Sequence[Traits]
    bags: dict[str, Bag]
    rows: dict[str, csr_array]
    numbers: dict[str, F64Array]
    neighbours: Neighbours

    def __len__(self) -> int:
        return len(self.traits)


#: Bags that are looked into word by word, and those that are compared by cosine or only by what is shared.
BAGS = (
    "atoms",
    "phrases",
    "numbers",
    "quantities",
    "told",
    "told_quantities",
    "alternatives",
    "told_alternatives",
    "marks",
    "models",
    "stems",
)
ROWS = ("atoms", "grams", "told", "shingles")


def trait_table(traits: Sequence[Traits], idf: IdfTable) -> TraitTable:
    """Puts offers side by side. Costs about as much as their words, no pair is looked at yet."""
    bags = {name: _bag(traits, name, idf) for name in dict.fromkeys((*BAGS, *ROWS))}
    return TraitTable(
        traits=traits,
        bags=bags,
        rows={name: _unit_rows(bags[name]) for name in ROWS},
        numbers={
            name: np.array([get(one) for one in traits], np.float64).reshape(len(traits))
            for name, get in _NUMBERS.items()
        },
        neighbours=_neighbours(traits, idf),
    )


def entries(starts: I64Array, rows: I64Array) -> tuple[I64Array, I64Array]:
    """For each pair the entries of its row: (pair i64[k], entry i64[k])."""
    counts = np.diff(starts)[rows]
    pair = np.repeat(np.arange(len(rows)), counts)
    first = np.repeat(starts[rows] - (np.cumsum(counts) - counts), counts)
    return pair, first + np.arange(len(pair))


def contains(bag: Bag, rows: I64Array, words: HashArray) -> BoolArray:
    """bool[k]: whether row rows[n] of the bag holds words[n]."""
    if not len(bag.keys):
        return np.zeros(len(words), np.bool_)
    wanted = (rows.astype(np.uint64) << np.uint64(32)) | words
    place = np.minimum(np.searchsorted(bag.keys, wanted), len(bag.keys) - 1)
    return np.asarray(bag.keys[place] == wanted)


def look_up(bag: Bag, left: I64Array, other: Bag, right: I64Array) -> Found:
    """For each pair (left[p], right[p]): which words of the left row in `bag` the right row of `other` has."""
    pair, entry = entries(bag.starts, left)
    word = bag.words[entry]
    return Found(pair=pair, hit=contains(other, right[pair], word), weight=bag.weights[entry], word=word)


def sum_by_pair(found: Found, chosen: BoolArray, pairs: int) -> F64Array:
    """f64[pairs]: the weights of the chosen words, added up."""
    return np.bincount(found.pair[chosen], found.weight[chosen], pairs).astype(np.float64)


def max_by_pair(found: Found, chosen: BoolArray, pairs: int) -> F64Array:
    """f64[pairs]: the largest weight among the chosen words, 0 where none is."""
    best = np.zeros(pairs, np.float64)
    np.maximum.at(best, found.pair[chosen], found.weight[chosen])
    return best


def count_by_pair(found: Found, chosen: BoolArray, pairs: int) -> F64Array:
    """f64[pairs]: how many words are chosen."""
    return np.bincount(found.pair[chosen], minlength=pairs).astype(np.float64)


def cosine(table: TraitTable, name: str, left: I64Array, right: I64Array) -> F64Array:
    """f64[m]: the inner product of unit TF-IDF rows; 0 where a row is empty."""
    rows = table.rows[name]
    return np.asarray(rows[left].multiply(rows[right]).sum(axis=1), np.float64).reshape(len(left))


def _bag(traits: Sequence[Traits], name: str, idf: IdfTable) -> Bag:
    held: list[HashArray] = [getattr(one, name) for one in traits]
    starts = np.concatenate([[0], np.cumsum([len(words) for words in held])]).astype(np.int64)
    words = np.concatenate(held) if held else np.empty(0, np.uint32)
    row = np.repeat(np.arange(len(held), dtype=np.uint64), np.diff(starts))
    weights = idf.weights(words)
    return Bag(
        starts=starts,
        words=words,
        keys=(row << np.uint64(32)) | words,
        weights=weights,
        totals=np.bincount(row.astype(np.int64), weights=weights, minlength=len(held)).astype(np.float32),
    )


def _neighbours(traits: Sequence[Traits], idf: IdfTable) -> Neighbours:
    before = np.concatenate([one.before for one in traits] or [np.empty(0, np.uint32)])
    after = np.concatenate([one.after for one in traits] or [np.empty(0, np.uint32)])
    return Neighbours(
        starts=np.concatenate([[0], np.cumsum([len(one.before) for one in traits])]).astype(np.int64),
        before=before,
        after=after,
        weight_before=idf.weights(before),
        weight_after=idf.weights(after),
        after_number=np.concatenate([one.after_number for one in traits] or [np.empty(0, np.bool_)]),
    )


def _unit_rows(bag: Bag) -> csr_array:
    squares = np.bincount(np.repeat(np.arange(bag.rows()), np.diff(bag.starts)), bag.weights**2, bag.rows())
    norms = np.repeat(np.sqrt(np.maximum(squares, 1e-12)), np.diff(bag.starts))
    return csr_array((bag.weights / norms, bag.words.astype(np.int64), bag.starts), shape=(bag.rows(), 1 << 32))


_NUMBERS: dict[str, Callable[[Traits], float]] = {
    "log_euros": lambda one: one.log_euros,
    "log_price": lambda one: one.log_price,
    "n_sizes": lambda one: one.n_sizes,
    "length": lambda one: float(len(one.title)),
    "foreign": lambda one: sum(not c.isascii() for c in one.title) / max(len(one.title), 1),
}
