"""The pair part of the evidence: each function reads one group of it for many pairs at once, f64[m] by name."""

import numpy as np
from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler
from rapidfuzz.process import cpdist

from matcher.arrays import BoolArray, F64Array, I64Array
from matcher.verifier.lexicon import FAMILIES
from matcher.verifier.places import missing_marks, swapped_words
from matcher.verifier.table import Found, TraitTable, cosine, count_by_pair, entries, look_up, max_by_pair, sum_by_pair

#: The place of the colours in `matcher.verifier.lexicon.FAMILIES`.
COLOUR = FAMILIES.index("colour")
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
    less, more = missing_marks(table, left, right)
    return {
        "swapped_words": swapped_words(table, left, right),
        "marks_missing_less": less,
        "marks_missing_more": more,
    }


def letters(table: TraitTable, left: I64Array, right: I64Array) -> Values:
    ones, others = [table.traits[n].title for n in left.tolist()], [table.traits[n].title for n in right.tolist()]
    return {
        "gram_cosine": cosine(table, "grams", left, right),
        "spelling": cpdist(ones, others, scorer=fuzz.token_sort_ratio, dtype=np.float32).astype(np.float64) / 100,
        "spelling_set": cpdist(ones, others, scorer=fuzz.token_set_ratio, dtype=np.float32).astype(np.float64) / 100,
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
    shared, told, conflict, nearness = (np.full(m, np.nan) for _ in range(4))
    gtin, mpn = np.full(m, np.nan), np.full(m, np.nan)
    for pair, (a, b) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        one, other = table.traits[a], table.traits[b]
        if one.gtin and other.gtin:
            gtin[pair] = one.gtin == other.gtin
        if one.mpn and other.mpn:
            mpn[pair] = one.mpn == other.mpn
        if not one.codes and not other.codes:
            continue
        same = [code for code in one.codes if code in other.codes]
        found = [code for code in one.codes if code in other.run] + [code for code in other.codes if code in one.run]
        told[pair] = max((len(code) for code in found), default=0)
        if one.codes and other.codes:
            shared[pair] = max((len(code) for code in same), default=0)
            conflict[pair] = not found
            nearness[pair] = (
                1.0 if same else max(JaroWinkler.normalized_similarity(x, y) for x in one.codes for y in other.codes)
            )
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
        "gtin_equal": gtin,
        "mpn_equal": mpn,
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
    currencies = [one.currency for one in table.traits]
    codes = {currency: code for code, currency in enumerate(sorted({c for c in currencies if c}))}
    code = np.array([codes.get(c, -1) if c else -1 for c in currencies], np.int64)
    one, other = code[left], code[right]
    same = (one == other) & (one >= 0)
    plain, euros = table.numbers["log_price"], table.numbers["log_euros"]
    gap = np.abs(np.where(same, plain[left] - plain[right], euros[left] - euros[right]))
    known = (one >= 0) & (other >= 0)
    return {"price_gap": gap, "same_currency": np.where(known, same.astype(np.float64), np.nan)}


def brands(table: TraitTable, left: I64Array, right: I64Array) -> Values:
    similarity, told = np.full(len(left), np.nan), np.full(len(left), np.nan)
    for pair, (a, b) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        one, other = table.traits[a], table.traits[b]
        if one.brand and other.brand:
            similarity[pair] = JaroWinkler.normalized_similarity(one.brand, other.brand)
        if one.brand or other.brand:
            told[pair] = min(float(one.brand in other.run), float(other.brand in one.run))
    return {"brand_similarity": similarity, "brand_told": told}


def form(table: TraitTable, left: I64Array, right: I64Array) -> Values:
    length, foreign = table.numbers["length"], table.numbers["foreign"]
    sizes = np.log(table.numbers["n_sizes"])
    return {
        "length_gap": np.abs(np.log1p(length[left]) - np.log1p(length[right])),
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


def _measures(table: TraitTable, name: str, other: str, left: I64Array, right: I64Array) -> tuple[F64Array, F64Array]:
    """On how many dimensions of the left quantities the right ones agree in a value, and on how many in none."""
    m = len(left)
    found = look_up(table.bags[name], left, table.bags[other], right)
    dimension = found.pair * 256 + (found.word >> np.uint32(24)).astype(np.int64)
    there = table.bags[other]
    row = np.repeat(np.arange(there.rows()), np.diff(there.starts))
    known = np.unique(row * 256 + (there.words >> np.uint32(24)).astype(np.int64))
    agreed = np.unique(dimension[found.hit])
    spoken = np.unique(dimension)
    has: BoolArray = np.isin(right[spoken // 256] * 256 + spoken % 256, known)
    both = spoken[has]
    conflicting = both[~np.isin(both, agreed)]
    return (
        np.bincount(agreed // 256, minlength=m).astype(np.float64),
        np.bincount(conflicting // 256, minlength=m).astype(np.float64),
    )


def _of_family(table: TraitTable, rows: I64Array, family: int) -> BoolArray:
    bag = table.bags["alternatives"]
    pair, entry = entries(bag.starts, rows)
    return np.bincount(pair[bag.words[entry] >> np.uint32(24) == family], minlength=len(rows)) > 0
