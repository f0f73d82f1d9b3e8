"""The pair part of the evidence: each function reads one group of it for many pairs at once, f64[m] by name."""

import numpy as np
from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler
from rapidfuzz.process import cpdist

from matcher.arrays import BoolArray, F64Array, I64Array
from matcher.verifier.lexicon import FAMILIES
from matcher.verifier.places import missing_marks, sides_of, swapped_words
from matcher.verifier.quantities import DIMENSIONS
from matcher.verifier.table import Found, TraitTable, cosine, count_by_pair, entries, look_up, max_by_pair, sum_by_pair

#: The place of the colours in `matcher.verifier.lexicon.FAMILIES`.
COLOUR = FAMILIES.index("colour")
#: Dimensions of quantities, or families of alternatives.
MEASURES = max(len(DIMENSIONS), len(FAMILIES))
Values = dict[str, F64Array]


def words(table: TraitTable, left: I64Array, right: I64Array) -> Values:
    m = len(left)
    one, other = _both(table, "atoms", left, right)
    shared = sum_by_pair(one, one.hit, m)
    missing = _sides(sum_by_pair(one, ~one.hit, m), sum_by_pair(other, ~other.hit, m))
    rarest = _sides(max_by_pair(one, ~one.hit, m), max_by_pair(other, ~other.hit, m))
    p_one, p_other = _both(table, "phrases", left, right)
    p_shared = sum_by_pair(p_one, p_one.hit, m)
    p_missing = _sides(sum_by_pair(p_one, ~p_one.hit, m), sum_by_pair(p_other, ~p_other.hit, m))
    return {
        "word_cosine": cosine(table, "atoms", left, right),
        "word_overlap": _share(shared, shared + missing[0] + missing[1]),
        "word_containment": _share(shared, shared + missing[0]),
        "rarest_shared_word": max_by_pair(one, one.hit, m),
        "missing_words_less": missing[0],
        "missing_words_more": missing[1],
        "rarest_missing_less": rarest[0],
        "rarest_missing_more": rarest[1],
        "phrase_overlap": _share(p_shared, p_shared + p_missing[0] + p_missing[1]),
        "phrase_containment": _share(p_shared, p_shared + p_missing[0]),
        "missing_phrases_less": p_missing[0],
    }


def stems(table: TraitTable, left: I64Array, right: I64Array) -> Values:
    m = len(left)
    one, other = _both(table, "stems", left, right)
    missing = _sides(sum_by_pair(one, ~one.hit, m), sum_by_pair(other, ~other.hit, m))
    rarest = _sides(max_by_pair(one, ~one.hit, m), max_by_pair(other, ~other.hit, m))
    shared = sum_by_pair(one, one.hit, m)
    return {
        "stem_overlap": _share(shared, shared + missing[0] + missing[1]),
        "missing_stems_less": missing[0],
        "rarest_missing_stem_less": rarest[0],
        "rarest_missing_stem_more": rarest[1],
    }


def places(table: TraitTable, left: I64Array, right: I64Array) -> Values:
    one, other = sides_of(table, left, right)
    less, more = missing_marks(one, other, len(left))
    return {
        "swapped_words": swapped_words(one, other, len(left)),
        "marks_missing_less": less,
        "marks_missing_more": more,
    }


def letters(table: TraitTable, left: I64Array, right: I64Array) -> Values:
    ones, others = ([table.traits[row].title for row in rows.tolist()] for rows in (left, right))
    # Their words are sorted already.
    alike = cpdist(ones, others, scorer=fuzz.ratio, dtype=np.float32).astype(np.float64)
    alike_set = cpdist(ones, others, scorer=fuzz.token_set_ratio, dtype=np.float32).astype(np.float64)
    return {
        "gram_cosine": cosine(table, "grams", left, right),
        "spelling": alike / 100,
        "spelling_set": alike_set / 100,
    }


def numbers(table: TraitTable, left: I64Array, right: I64Array) -> Values:
    m = len(left)
    one, other = _both(table, "numbers", left, right)
    shared = sum_by_pair(one, one.hit, m)
    missing = _sides(sum_by_pair(one, ~one.hit, m), sum_by_pair(other, ~other.hit, m))
    agree, conflict = _measures(table, "quantities", "quantities", left, right)
    told = [_measures(table, "quantities", "told_quantities", a, b) for a, b in ((left, right), (right, left))]
    n_one = look_up(table.bags["numbers"], left, table.bags["told"], right)
    n_other = look_up(table.bags["numbers"], right, table.bags["told"], left)
    untold = _sides(sum_by_pair(n_one, ~n_one.hit, m), sum_by_pair(n_other, ~n_other.hit, m))
    return {
        "untold_numbers_less": untold[0],
        "untold_numbers_more": untold[1],
        "numbers_shared": shared,
        "numbers_overlap": _share(shared, shared + missing[0] + missing[1]),
        "numbers_missing_less": missing[0],
        "numbers_missing_more": missing[1],
        "quantities_agree": agree,
        "quantities_conflict": conflict,
        "told_quantities_agree": np.maximum(told[0][0], told[1][0]),
        "told_quantities_conflict": np.maximum(told[0][1], told[1][1]),
    }


def codes(table: TraitTable, left: I64Array, right: I64Array) -> Values:
    m = len(left)
    shared, told, conflict = (np.full(m, np.nan) for _ in range(3))
    compared: list[tuple[int, str, str]] = []
    named = table.numbers["codes"] > 0
    for pair in np.flatnonzero(named[left] | named[right]).tolist():
        one, other = table.traits[left[pair]], table.traits[right[pair]]
        found = [code for code in one.codes if code in other.run] + [code for code in other.codes if code in one.run]
        told[pair] = max(map(len, found), default=0)
        if one.codes and other.codes:
            shared[pair] = max((len(code) for code in one.codes if code in other.codes), default=0)
            conflict[pair] = not found
            compared += [(pair, x, y) for x in one.codes for y in other.codes]
    nearness = _nearest_spelling(compared, m)
    models = [look_up(table.bags["models"], a, table.bags["phrases"], b) for a, b in ((left, right), (right, left))]
    lacking = _sides(*(max_by_pair(found, ~found.hit, m) for found in models))
    return {
        "model_shared": np.maximum(*(max_by_pair(found, found.hit, m) for found in models)),
        "model_missing_less": lacking[0],
        "model_missing_more": lacking[1],
        "code_shared": shared,
        "code_told": told,
        "code_conflict": conflict,
        "code_nearness": nearness,
        "gtin_equal": _equal(table.names["gtin"], left, right),
        "mpn_equal": _equal(table.names["mpn"], left, right),
    }


def variants(table: TraitTable, left: I64Array, right: I64Array) -> Values:
    m = len(left)
    one, other = _both(table, "marks", left, right)
    missing = _sides(count_by_pair(one, ~one.hit, m), count_by_pair(other, ~other.hit, m))
    agree, conflict = _measures(table, "alternatives", "alternatives", left, right)
    told = [_measures(table, "alternatives", "told_alternatives", a, b) for a, b in ((left, right), (right, left))]
    colours = [_of_family(table, rows, COLOUR) for rows in (left, right)]
    c_one = look_up(table.bags["alternatives"], left, table.bags["alternatives"], right)
    colour = c_one.word >> np.uint32(24) == COLOUR
    shared = count_by_pair(c_one, c_one.hit & colour, m)
    return {
        "colour_shared": shared,
        "colour_conflict": (colours[0] & colours[1] & (shared == 0)).astype(np.float64),
        "colour_one_sided": (colours[0] ^ colours[1]).astype(np.float64),
        "alternatives_agree": agree,
        "alternatives_conflict": conflict,
        "told_alternatives_conflict": np.maximum(told[0][1], told[1][1]),
        "marks_shared": count_by_pair(one, one.hit, m),
        "marks_less": missing[0],
        "marks_more": missing[1],
    }


def descriptions(table: TraitTable, left: I64Array, right: I64Array) -> Values:
    m = len(left)
    one = look_up(table.bags["atoms"], left, table.bags["told"], right)
    other = look_up(table.bags["atoms"], right, table.bags["told"], left)
    told = _sides(
        _share(sum_by_pair(one, one.hit, m), sum_by_pair(one, np.ones_like(one.hit), m)),
        _share(sum_by_pair(other, other.hit, m), sum_by_pair(other, np.ones_like(other.hit), m)),
    )
    runs = np.diff(table.bags["shingles"].starts)
    copied = cosine(table, "shingles", left, right)
    return {
        "told_less": told[0],
        "told_more": told[1],
        "untold_words": np.minimum(max_by_pair(one, ~one.hit, m), max_by_pair(other, ~other.hit, m)),
        "told_cosine": cosine(table, "told", left, right),
        "copied_text": np.where((runs[left] > 0) & (runs[right] > 0), copied, np.nan),
    }


def money(table: TraitTable, left: I64Array, right: I64Array) -> Values:
    """Prices in one currency are compared as they are; others only in euros."""
    same_currency = _equal(table.names["currency"], left, right)
    plain, euros = table.numbers["log_price"], table.numbers["log_euros"]
    gap = np.abs(np.where(same_currency == 1, plain[left] - plain[right], euros[left] - euros[right]))
    return {"price_gap": gap, "same_currency": same_currency}


def brands(table: TraitTable, left: I64Array, right: I64Array) -> Values:
    m = len(left)
    told = np.full(m, np.nan)
    compared: list[tuple[int, str, str]] = []
    named = table.numbers["brand"] > 0
    for pair in np.flatnonzero(named[left] | named[right]).tolist():
        one, other = table.traits[left[pair]], table.traits[right[pair]]
        told[pair] = one.brand in other.run and other.brand in one.run
        if one.brand and other.brand:
            compared.append((pair, one.brand, other.brand))
    return {"brand_similarity": _nearest_spelling(compared, m), "brand_told": told}


def form(table: TraitTable, left: I64Array, right: I64Array) -> Values:
    length, foreign = table.numbers["length"], table.numbers["foreign"]
    log_length, sizes = table.numbers["log_length"], table.numbers["log_sizes"]
    return {
        "length_gap": np.abs(log_length[left] - log_length[right]),
        "shorter_title": np.minimum(length[left], length[right]),
        "script_gap": np.abs(foreign[left] - foreign[right]),
        "sizes_gap": np.abs(sizes[left] - sizes[right]),
    }


def _both(table: TraitTable, name: str, left: I64Array, right: I64Array) -> tuple[Found, Found]:
    bag = table.bags[name]
    return look_up(bag, left, bag, right), look_up(bag, right, bag, left)


def _sides(one: F64Array, other: F64Array) -> tuple[F64Array, F64Array]:
    """The lesser and the greater of the two sides: evidence does not depend on who asks."""
    return np.minimum(one, other), np.maximum(one, other)


def _share(part: F64Array, whole: F64Array) -> F64Array:
    """part / whole, NaN where there is no whole."""
    shares = np.full(len(part), np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def _equal(names: I64Array, left: I64Array, right: I64Array) -> F64Array:
    """1 where two names are equal, 0 where they differ, NaN where one is missing."""
    one, other = names[left], names[right]
    return np.where((one < 0) | (other < 0), np.nan, (one == other).astype(np.float64))


def _nearest_spelling(compared: list[tuple[int, str, str]], pairs: int) -> F64Array:
    """f64[pairs]: the greatest Jaro-Winkler similarity of two texts of each pair, NaN where there are none."""
    nearest = np.full(pairs, np.nan)
    if compared:
        pair, ones, others = zip(*compared, strict=True)
        alike = cpdist(ones, others, scorer=JaroWinkler.normalized_similarity, dtype=np.float64)
        np.fmax.at(nearest, list(pair), alike)
    return nearest


def _measures(table: TraitTable, name: str, other: str, left: I64Array, right: I64Array) -> tuple[F64Array, F64Array]:
    """On how many dimensions of the left quantities the right ones agree in a value, and on how many in none."""
    there = table.bags[other]
    found = look_up(table.bags[name], left, there, right)
    dimension = (found.word >> np.uint32(24)).astype(np.int64)
    spoken, agreed = (np.zeros((len(left), MEASURES), np.bool_) for _ in range(2))
    spoken[found.pair, dimension] = True
    agreed[found.pair[found.hit], dimension[found.hit]] = True
    pair, entry = entries(there.starts, right)
    answered = np.zeros((len(left), MEASURES), np.bool_)
    answered[pair, (there.words[entry] >> np.uint32(24)).astype(np.int64)] = True
    conflicting = spoken & answered & ~agreed
    return agreed.sum(axis=1).astype(np.float64), conflicting.sum(axis=1).astype(np.float64)


def _of_family(table: TraitTable, rows: I64Array, family: int) -> BoolArray:
    bag = table.bags["alternatives"]
    pair, entry = entries(bag.starts, rows)
    return np.bincount(pair[bag.words[entry] >> np.uint32(24) == family], minlength=len(rows)) > 0
