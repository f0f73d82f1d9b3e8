"""The traits of many offers side by side, as flat arrays that pairs of rows are compared in."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from scipy.sparse import csr_array

from matcher.arrays import BoolArray, F32Array, F64Array, I64Array
from matcher.verifier.idf import IdfTable
from matcher.verifier.traits import BAGS, NUMBERS, Traits
from matcher.verifier.words import HashArray


class Bag(Struct, frozen=True, kw_only=True):
    """One kind of words of n offers: row r holds `words[starts[r]:starts[r + 1]]`, distinct and ascending.

    `keys` u64: row and word in one number, ascending throughout, so that one binary search finds a word in a row.
    `weights` f32: how telling each is, 1 where words are only counted.
    """

    starts: I64Array
    words: HashArray
    keys: HashArray
    weights: F32Array

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
    """n offers, ready for comparing: bags of words, and TF-IDF rows for those that are compared by cosine.

    `names` i64[n]: equal numbers for equal GTINs, part numbers or currencies; -1 where there is none.
    """

    traits: Sequence[Traits]
    bags: dict[str, Bag]
    rows: dict[str, csr_array]
    numbers: dict[str, F64Array]
    names: dict[str, I64Array]
    neighbours: Neighbours

    def __len__(self) -> int:
        return len(self.traits)


#: Bags whose words weigh as much as they tell. Of the others words are counted; longer runs (`shingles`) are in no IDF
#: table: each is as rare as can be.
WEIGHTED = frozenset({"atoms", "phrases", "stems", "numbers", "models", "told", "grams"})
#: Compared by cosine.
ROWS = ("atoms", "grams", "told", "shingles")


def trait_table(traits: Sequence[Traits], idf: IdfTable) -> TraitTable:
    """Puts offers side by side. Costs about as much as their words, no pair is looked at yet."""
    n = len(traits)
    words = np.concatenate([np.empty(0, np.uint32), *(one.words for one in traits)])
    ends = np.concatenate([np.empty(0, np.int64), *(one.ends for one in traits)]).reshape(n, len(BAGS))
    first = np.concatenate([[0], np.cumsum(ends[:, -1])[:-1]])[:n]
    numbers = np.concatenate([np.empty(0), *(one.numbers for one in traits)]).reshape(n, len(NUMBERS))
    bags = {}
    for place, name in enumerate(BAGS):
        begin = first + (ends[:, place - 1] if place else 0)
        bags[name] = _bag(words, begin, first + ends[:, place], idf if name in WEIGHTED else None)
    return TraitTable(
        traits=traits,
        bags=bags,
        rows={name: _unit_rows(bags[name]) for name in ROWS},
        numbers=dict(zip(NUMBERS, np.ascontiguousarray(numbers.T), strict=True)),
        names={name: _numbered([getattr(one, name) for one in traits]) for name in ("gtin", "mpn", "currency")},
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
    pair = found.pair[chosen]
    if len(pair):
        # Pairs come in order, so each is one run.
        first = np.flatnonzero(np.diff(pair, prepend=-1))
        best[pair[first]] = np.maximum.reduceat(found.weight[chosen], first)
    return best


def count_by_pair(found: Found, chosen: BoolArray, pairs: int) -> F64Array:
    """f64[pairs]: how many words are chosen."""
    return np.bincount(found.pair[chosen], minlength=pairs).astype(np.float64)


def cosine(table: TraitTable, name: str, left: I64Array, right: I64Array) -> F64Array:
    """f64[m]: the inner product of unit TF-IDF rows; 0 where a row is empty."""
    rows = table.rows[name]
    return np.asarray(rows[left].multiply(rows[right]).sum(axis=1), np.float64).reshape(len(left))


def _bag(every: HashArray, begin: I64Array, end: I64Array, idf: IdfTable | None) -> Bag:
    """One stretch of `every` for each row."""
    counts = end - begin
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    row = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    words = every[np.repeat(begin - starts[:-1], counts) + np.arange(starts[-1])]
    return Bag(
        starts=starts,
        words=words,
        keys=(row << np.uint64(32)) | words,
        weights=np.ones(len(words), np.float32) if idf is None else idf.weights(words),
    )


def _numbered(names: Sequence[str | None]) -> I64Array:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) if name else -1 for name in names], np.int64)


def _neighbours(traits: Sequence[Traits], idf: IdfTable) -> Neighbours:
    words = np.concatenate([np.empty(0, np.uint32), *(one.order for one in traits)])
    is_number = np.concatenate([np.empty(0, np.bool_), *(one.is_number for one in traits)])
    lengths = np.fromiter((len(one.order) for one in traits), np.int64, len(traits))
    row = np.repeat(np.arange(len(traits)), lengths)
    inside = row[:-1] == row[1:]
    weights = idf.weights(words)
    return Neighbours(
        starts=np.concatenate([[0], np.cumsum(np.maximum(lengths - 1, 0))]).astype(np.int64),
        before=words[:-1][inside],
        after=words[1:][inside],
        weight_before=weights[:-1][inside],
        weight_after=weights[1:][inside],
        after_number=(is_number[:-1] & ~is_number[1:])[inside],
    )


def _unit_rows(bag: Bag) -> csr_array:
    squares = np.bincount(np.repeat(np.arange(bag.rows()), np.diff(bag.starts)), bag.weights**2, bag.rows())
    norms = np.repeat(np.sqrt(np.maximum(squares, 1e-12)), np.diff(bag.starts))
    return csr_array((bag.weights / norms, bag.words.astype(np.int64), bag.starts), shape=(bag.rows(), 1 << 32))
