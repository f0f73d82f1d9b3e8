"""The part of the evidence that belongs to one offer alone: computed once an offer, cached by whoever holds offers."""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from matcher.arrays import BoolArray, F64Array, I64Array
from matcher.events.offer import Offer
from matcher.gtin import valid_gtin
from matcher.text import offer_text
from matcher.verifier.lexicon import ALTERNATIVES, MARKS
from matcher.verifier.quantities import DIMENSIONS, quantities_of
from matcher.verifier.words import (
    STEM,
    HashArray,
    atoms_of,
    codes_of,
    distinct,
    grams_of,
    hashes,
    models_of,
    plain_text,
    runs_of,
    squashed,
    word_hash,
)

# Whoever changes what is read here raises `matcher.verifier.facts.TRAITS_VERSION`.
#: Characters of the description that are read.
MAX_DESCRIPTION = 1_000
#: Words in one run of a description: two sellers who share such runs copied from one source.
SHINGLE = 5


#: The numbers of an offer, in the order in which `Traits.numbers` holds them: logarithms are natural, `length` is that
#: of the title, `foreign` the share of its letters outside ASCII, `brand` the length of the brand, `codes` how many.
NUMBERS = ("log_euros", "log_price", "log_sizes", "length", "log_length", "foreign", "brand", "codes")
#: The bags of words of an offer, in the order in which `Traits.words` holds them.
BAGS = (
    "atoms",
    "phrases",
    "stems",
    "numbers",
    "models",
    "told",
    "grams",
    "shingles",
    "quantities",
    "told_quantities",
    "alternatives",
    "told_alternatives",
    "marks",
)


class Traits(Struct, frozen=True, kw_only=True):
    """What the pair evidence needs of one offer.

    `words`: the `BAGS` one behind the other, distinct hashes, ascending; bag b ends at `ends[b]` (i64). Of the title:
    `atoms` (words and numbers of brand and title), `phrases` (two neighbouring atoms), `stems`, `numbers`, `models`
    (`570x`), `grams` (runs of letters), `quantities` (numbers with units), `alternatives` (colours, sizes, ...),
    `marks` (pro, kit, ...). Of title and description: `told` (atoms and phrases), `told_quantities`,
    `told_alternatives`. Of the description: `shingles`, longer runs of words.

    `order`: the hashes of the atoms as they stand; `is_number` bool: which of them are numbers. `title`: the atoms as
    text, sorted. `brand`, `mpn`: letters and digits alone. `codes` of the title, in lower case. `run`: title and
    description without spaces. `numbers` f64: the `NUMBERS`; `log_price` in the offer's own currency. NaN and None
    where something is missing.
    """

    title: str
    brand: str
    words: HashArray
    ends: I64Array
    order: HashArray
    is_number: BoolArray
    codes: tuple[str, ...]
    run: str
    gtin: str | None
    mpn: str | None
    currency: str | None
    numbers: F64Array

    def bag(self, name: str) -> HashArray:
        """One of the `BAGS`."""
        place = BAGS.index(name)
        return self.words[self.ends[place - 1] if place else 0 : self.ends[place]]


def read_traits(offer: Offer, log_euros: float = math.nan) -> Traits:
    """Reads one offer. `log_euros`: natural logarithm of its price in euros, NaN where it is not known."""
    title = plain_text(offer_text(offer.brand, offer.title))
    description = plain_text((offer.description or "")[:MAX_DESCRIPTION])
    atoms, told = atoms_of(title), atoms_of(description)
    words, told_words = hashes(atoms), hashes(told)
    phrases = runs_of(words, 2)
    is_number = np.array([atom[0].isdigit() for atom in atoms], np.bool_)
    whole = squashed(title)
    amount = offer.price.amount if offer.price else 0.0
    models = [runs_of(hashes(parts), 2) for parts in models_of(title)]
    bags = {
        "atoms": distinct(words),
        "phrases": distinct(phrases),
        "stems": distinct(hashes([atom[:STEM] for atom in atoms])),
        "numbers": distinct(words[is_number]),
        "models": distinct(np.concatenate([np.empty(0, np.uint32), *models])),
        "told": distinct(np.concatenate([words, phrases, told_words, runs_of(told_words, 2)])),
        "grams": grams_of(whole),
        "shingles": distinct(runs_of(told_words, SHINGLE)),
        "quantities": _quantities(title),
        "told_quantities": _quantities(f"{title} {description}"),
        "alternatives": _alternatives(atoms),
        "told_alternatives": _alternatives([*atoms, *told]),
        "marks": distinct(hashes([atom for atom in atoms if atom in MARKS])),
    }
    text, brand, codes = " ".join(sorted(atoms)), squashed(plain_text(offer.brand)), codes_of(title)
    numbers = {
        "log_euros": log_euros,
        "log_price": math.log(amount) if amount > 0 else math.nan,
        "log_sizes": math.log(offer.n_sizes) if offer.n_sizes else math.nan,
        "length": len(text),
        "log_length": math.log1p(len(text)),
        "foreign": (len(text) - len(text.encode("ascii", "ignore"))) / max(len(text), 1),
        "brand": len(brand),
        "codes": len(codes),
    }
    return Traits(
        title=text,
        brand=brand,
        words=np.concatenate([bags[name] for name in BAGS]),
        ends=np.cumsum([len(bags[name]) for name in BAGS]),
        order=words,
        is_number=is_number,
        codes=tuple(codes),
        run=f"{whole} {squashed(description)}",
        gtin=valid_gtin(offer.gtin),
        mpn=squashed(plain_text(offer.mpn)) or None,
        currency=offer.price.currency if offer.price and amount > 0 else None,
        numbers=np.array([numbers[name] for name in NUMBERS], np.float64),
    )


def _alternatives(atoms: Sequence[str]) -> HashArray:
    return _keyed({meaning for atom in atoms for meaning in ALTERNATIVES.get(atom, ())})


def _quantities(plain: str) -> HashArray:
    return _keyed({(DIMENSIONS.index(dimension), value) for dimension, value in quantities_of(plain)})


def _keyed(found: set[tuple[int, str]]) -> HashArray:
    """Values as hashes with the place of their family in the upper byte, so that it can be read off again."""
    keys = [(family << 24) | (word_hash(value) & 0x00FF_FFFF) for family, value in found]
    return np.unique(np.array(keys, np.uint32))
