"""What two offers say for and against being one product: a table of named numbers, computed for many pairs at once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct

from matcher.arrays import F32Array, F64Array, I64Array
from matcher.verifier import pairs
from matcher.verifier.table import TraitTable

Direction = Literal["match", "difference", "neither"]


class Kind(Struct, frozen=True):
    """One piece of evidence. `label` is what a reviewer reads; `more_favours`: where a larger value points.

    `neither`: it only puts other evidence into perspective. Values are NaN where an offer lacks what is compared.
    """

    name: str
    group: str
    label: str
    more_favours: Direction


def _kinds(group: str, *rows: tuple[str, str, Direction]) -> tuple[Kind, ...]:
    return tuple(Kind(name, group, label, direction) for name, label, direction in rows)


COSINES = _kinds(
    "cosines",
    ("embedding_cosine", "the learned embeddings point the same way", "match"),
    ("image_cosine", "the photos look alike", "match"),
    ("text_cosine", "brand and title mean the same", "match"),
)
"""Given by the caller, who has the vectors; the rest is read from the offers."""

WORDS = _kinds(
    "words",
    ("word_cosine", "the titles use the same words", "match"),
    ("word_overlap", "share of telling words that both titles have", "match"),
    ("word_containment", "the shorter title is contained in the longer", "match"),
    ("rarest_shared_word", "the most telling word that both titles have", "match"),
    ("missing_words_less", "telling words of one title that the other lacks (the lesser side)", "difference"),
    ("missing_words_more", "telling words of one title that the other lacks (the greater side)", "difference"),
    ("rarest_missing_less", "the most telling word that is missing (the lesser side)", "difference"),
    ("rarest_missing_more", "the most telling word that is missing (the greater side)", "difference"),
    ("phrase_overlap", "share of word pairs that both titles have", "match"),
    ("phrase_containment", "the word pairs of one title stand in the other", "match"),
    ("missing_phrases_less", "word pairs of one title that the other lacks (the lesser side)", "difference"),
)
STEMS = _kinds(
    "stems",
    ("stem_overlap", "share of telling word beginnings that both titles have", "match"),
    ("missing_stems_less", "word beginnings that the other title lacks (the lesser side)", "difference"),
    ("rarest_missing_stem_less", "the most telling word beginning that is missing (the lesser side)", "difference"),
    ("rarest_missing_stem_more", "the most telling word beginning that is missing (the greater side)", "difference"),
)
PLACES = _kinds(
    "places",
    ("swapped_words", "different words at the same place of the titles", "difference"),
    ("marks_missing_less", "words behind a shared number that the other title lacks (the lesser side)", "difference"),
    ("marks_missing_more", "words behind a shared number that the other title lacks (the greater side)", "difference"),
)
LETTERS = _kinds(
    "letters",
    ("gram_cosine", "the titles are spelled alike, spaces aside", "match"),
    ("spelling", "edit similarity of the sorted titles", "match"),
    ("spelling_set", "edit similarity of the shared and the further words", "match"),
)
NUMBERS = _kinds(
    "numbers",
    ("numbers_shared", "numbers that both titles have", "match"),
    ("numbers_overlap", "share of the numbers that both titles have", "match"),
    ("numbers_missing_less", "numbers of one title that the other lacks (the lesser side)", "difference"),
    ("numbers_missing_more", "numbers of one title that the other lacks (the greater side)", "difference"),
    ("untold_numbers_less", "title numbers found nowhere in the other offer (the lesser side)", "difference"),
    ("untold_numbers_more", "title numbers found nowhere in the other offer (the greater side)", "difference"),
    ("quantities_agree", "measures (GB, mm, pieces, ...) on which the titles agree", "match"),
    ("quantities_conflict", "measures on which the titles disagree", "difference"),
    ("told_quantities_agree", "measures on which titles and descriptions agree", "match"),
    ("told_quantities_conflict", "a measure of one title that the other offer contradicts", "difference"),
)
CODES = _kinds(
    "codes",
    ("model_shared", "the most telling short model name that both titles have", "match"),
    ("model_missing_less", "a short model name that the other title lacks (the lesser side)", "difference"),
    ("model_missing_more", "a short model name that the other title lacks (the greater side)", "difference"),
    ("code_shared", "a model or part number that both titles have", "match"),
    ("code_told", "a model or part number of one title found anywhere in the other offer", "match"),
    ("code_conflict", "both titles name model or part numbers, and none is the same", "difference"),
    ("code_nearness", "how alike the nearest different model or part numbers are", "neither"),
    ("gtin_equal", "the GTINs are equal (1) or differ (0)", "match"),
    ("mpn_equal", "the manufacturer's part numbers are equal (1) or differ (0)", "match"),
)
LISTS = _kinds(
    "variants",
    ("colour_shared", "the same colour is named", "match"),
    ("colour_conflict", "different colours are named", "difference"),
    ("colour_one_sided", "only one title names a colour", "neither"),
    ("alternatives_agree", "kinds of variants (colour, size, audience, ...) on which the titles agree", "match"),
    ("alternatives_conflict", "kinds of variants on which the titles disagree", "difference"),
    ("told_alternatives_conflict", "kinds of variants of one title that the other offer contradicts", "difference"),
    ("marks_shared", "variant words (pro, mini, XL, kit, ...) that both titles have", "match"),
    ("marks_less", "variant words that the other title lacks (the lesser side)", "difference"),
    ("marks_more", "variant words that the other title lacks (the greater side)", "difference"),
)
TEXTS = _kinds(
    "descriptions",
    ("told_less", "telling words of the title found anywhere in the other offer (the lesser side)", "match"),
    ("told_more", "telling words of the title found anywhere in the other offer (the greater side)", "match"),
    ("untold_words", "the most telling title word found nowhere in the other offer (the lesser side)", "difference"),
    ("told_cosine", "titles and descriptions use the same words", "match"),
    ("copied_text", "the descriptions share whole runs of words", "match"),
)
MONEY = _kinds(
    "price",
    ("price_gap", "how far apart the prices are (logarithm of their ratio)", "difference"),
    ("same_currency", "the prices are in one currency", "neither"),
)
BRANDS = _kinds(
    "brand",
    ("brand_similarity", "the brands are written alike", "match"),
    ("brand_told", "the brand of one stands in the title of the other", "match"),
)
FORM = _kinds(
    "form",
    ("length_gap", "how different the lengths of the titles are (logarithm of their ratio)", "neither"),
    ("shorter_title", "letters in the shorter title", "neither"),
    ("script_gap", "how different the shares of non-Latin letters are", "neither"),
    ("sizes_gap", "how different the numbers of sizes are (logarithm of their ratio)", "difference"),
)
KINDS = (*COSINES, *WORDS, *STEMS, *PLACES, *LETTERS, *NUMBERS, *CODES, *LISTS, *TEXTS, *MONEY, *BRANDS, *FORM)
#: Read from titles: missing where one of the two has none, since nothing then contradicts nothing.
_OF_TITLES = frozenset(
    kind.name for kind in (*WORDS, *STEMS, *PLACES, *LETTERS, *NUMBERS, *CODES[:3], *LISTS, *TEXTS, *FORM[:3])
)
KIND_OF = {kind.name: kind for kind in KINDS}

_Reader = Callable[[TraitTable, I64Array, I64Array], Mapping[str, F64Array]]
_READERS: tuple[_Reader, ...] = (
    pairs.words,
    pairs.stems,
    pairs.places,
    pairs.letters,
    pairs.numbers,
    pairs.codes,
    pairs.variants,
    pairs.descriptions,
    pairs.money,
    pairs.brands,
    pairs.form,
)


def evidence(
    table: TraitTable, left: I64Array, right: I64Array, cosines: Mapping[str, F32Array], names: Sequence[str]
) -> F32Array:
    """f32[m, len(names)] for the pairs (left[p], right[p]) of rows; NaN where a value is missing.

    The same for (a, b) and (b, a). `cosines`: those of `COSINES` that the caller has, f32[m] each, NaN where a modality
    is missing; one that is not given is missing for all. Raises ValueError on a name that is no evidence.
    """
    unknown = [name for name in (*names, *cosines) if name not in KIND_OF]
    if unknown:
        raise ValueError(f"expected names of evidence, got {', '.join(unknown)}")
    values: dict[str, F64Array] = {name: np.asarray(value, np.float64) for name, value in cosines.items()}
    for read in _READERS:
        values.update(read(table, left, right))
    missing = np.full(len(left), np.nan)
    untitled = (table.numbers["length"][left] == 0) | (table.numbers["length"][right] == 0)
    for name in _OF_TITLES & values.keys():
        values[name] = np.where(untitled, np.nan, values[name])
    return np.stack([values.get(name, missing) for name in names], axis=1).astype(np.float32)
