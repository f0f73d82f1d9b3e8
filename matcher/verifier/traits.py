"""The part of the evidence that belongs to one offer alone: computed once an offer, cached by whoever holds offers."""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from matcher.arrays import BoolArray
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


class Traits(Struct, frozen=True, kw_only=True):
    """What the pair evidence needs of one offer. Bags hold distinct hashes, ascending.

    `title`: the atoms (words and numbers) of brand and title. `brand`, `mpn`: letters and digits alone. Of the title:
    `atoms`, `phrases` (two neighbouring atoms), `grams` (runs of letters), `stems`, `numbers`, `quantities` (numbers
    with units), `alternatives` (colours, sizes, ...), `marks` (pro, kit, ...), `models` (`570x`), `codes` as written;
    `before`, `after`: each two neighbours in order, `after_number` where a word follows a number. Of title and
    description: `told` (atoms and phrases), `told_quantities`, `told_alternatives`, and `run`, both without spaces.
    `shingles`: longer runs of words of the description. `log_price` in the offer's own currency. NaN and None where
    something is missing.
    """

    title: str
    brand: str
    atoms: HashArray
    phrases: HashArray
    grams: HashArray
    stems: HashArray
    before: HashArray
    after: HashArray
    after_number: BoolArray
    numbers: HashArray
    quantities: HashArray
    told: HashArray
    told_quantities: HashArray
    shingles: HashArray
    alternatives: HashArray
    told_alternatives: HashArray
    marks: HashArray
    models: HashArray
    codes: tuple[str, ...]
    run: str
    gtin: str | None
    mpn: str | None
    log_euros: float
    log_price: float
    currency: str | None
    n_sizes: float


def read_traits(offer: Offer, log_euros: float = math.nan) -> Traits:
    """Reads one offer. `log_euros`: natural logarithm of its price in euros, NaN where it is not known."""
    title = plain_text(offer_text(offer.brand, offer.title))
    description = plain_text((offer.description or "")[:MAX_DESCRIPTION])
    atoms, told = atoms_of(title), atoms_of(description)
    words, told_words = hashes(atoms), hashes(told)
    phrases = runs_of(words, 2)
    digits = np.array([atom[0].isdigit() for atom in atoms], np.bool_)
    whole = squashed(title)
    amount = offer.price.amount if offer.price else 0.0
    models = [runs_of(hashes(parts), 2) for parts in models_of(title)]
    return Traits(
        title=" ".join(atoms),
        brand=squashed(plain_text(offer.brand)),
        atoms=distinct(words),
        phrases=distinct(phrases),
        grams=grams_of(whole),
        stems=distinct(hashes([atom[:STEM] for atom in atoms])),
        before=words[:-1],
        after=words[1:],
        after_number=digits[:-1] & ~digits[1:],
        numbers=distinct(words[digits]),
        quantities=_quantities(title),
        told=distinct(np.concatenate([words, phrases, told_words, runs_of(told_words, 2)])),
        told_quantities=_quantities(f"{title} {description}"),
        shingles=distinct(runs_of(told_words, SHINGLE)),
        alternatives=_alternatives(atoms),
        told_alternatives=_alternatives([*atoms, *told]),
        marks=distinct(hashes([atom for atom in atoms if atom in MARKS])),
        models=distinct(np.concatenate([np.empty(0, np.uint32), *models])),
        codes=tuple(codes_of(title)),
        run=f"{whole} {squashed(description)}",
        gtin=valid_gtin(offer.gtin),
        mpn=squashed(plain_text(offer.mpn)) or None,
        log_euros=log_euros,
        log_price=math.log(amount) if amount > 0 else math.nan,
        currency=offer.price.currency if offer.price and amount > 0 else None,
        n_sizes=float(offer.n_sizes) if offer.n_sizes else math.nan,
    )


def _alternatives(atoms: Sequence[str]) -> HashArray:
    return _keyed({meaning for atom in atoms for meaning in ALTERNATIVES.get(atom, ())})


def _quantities(plain: str) -> HashArray:
    return _keyed({(DIMENSIONS.index(dimension), value) for dimension, value in quantities_of(plain)})


def _keyed(found: set[tuple[int, str]]) -> HashArray:
    """Values as hashes with the place of their family in the upper byte, so that it can be read off again."""
    keys = [(family << 24) | (word_hash(value) & 0x00FF_FFFF) for family, value in found]
    return np.unique(np.array(keys, np.uint32))
