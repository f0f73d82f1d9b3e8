"""The part of the evidence that belongs to one offer alone: computed once an offer, cached by whoever holds offers."""

import math
import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from msgspec import Struct

from matcher.arrays import BoolArray
from matcher.deciding.outcome import valid_gtin
from matcher.events.offer import Offer
from matcher.text import offer_text
from matcher.verifier.lexicon import ALTERNATIVES, MARKS
from matcher.verifier.quantities import DIMENSIONS, quantities_of
from matcher.verifier.words import (
    HashArray,
    atoms_of,
    codes_of,
    each_hash,
    grams_of,
    hashes,
    models_of,
    phrases_of,
    plain_text,
    squashed,
    stems_of,
)

#: Characters of the description that are read.
MAX_DESCRIPTION = 2_000
#: Words in one run of a description: two sellers who share such runs copied from one source.
SHINGLE = 5


class Traits(Struct, frozen=True, kw_only=True):
    """What the pair evidence needs of one offer. All bags hold distinct CRC-32 hashes, ascending.

    `atoms`, `phrases`, `grams`: of brand and title. `numbers`: atoms of the title that are numbers. `quantities`: numbers
    with units; `dimensions` the place of each one's dimension. `told`: atoms and phrases of title and description.
    `shingles`: runs of words of the description. `codes`: as written in the title; `run`: title and description without
    spaces, where a code of the other offer may be found.
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
    told_codes: HashArray
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
    whole = squashed(title)
    amount = offer.price.amount if offer.price else 0.0
    return Traits(
        title=" ".join(atoms),
        brand=squashed(plain_text(offer.brand)),
        atoms=hashes(atoms),
        phrases=hashes(phrases_of(atoms)),
        grams=grams_of(whole),
        stems=hashes(stems_of(atoms)),
        before=each_hash(atoms[:-1]),
        after=each_hash(atoms[1:]),
        after_number=np.array(
            [one[0].isdigit() and not other[0].isdigit() for one, other in pairwise(atoms)], np.bool_
        ),
        numbers=hashes(atom for atom in atoms if atom[0].isdigit()),
        quantities=_quantities(title),
        told=hashes([*atoms, *phrases_of(atoms), *told, *phrases_of(told)]),
        told_quantities=_quantities(f"{title} {description}"),
        shingles=hashes(" ".join(told[n : n + SHINGLE]) for n in range(max(len(told) - SHINGLE + 1, 0))),
        alternatives=_alternatives(atoms),
        told_alternatives=_alternatives([*atoms, *told]),
        marks=hashes({atom for atom in atoms if atom in MARKS}),
        models=hashes(models_of(title)),
        codes=tuple(codes_of(title)),
        told_codes=hashes(codes_of(f"{title} {description}", 64)),
        run=whole + " " + squashed(description),
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
    keys = [(family << 24) | (zlib.crc32(value.encode()) & 0x00FF_FFFF) for family, value in found]
    return np.unique(np.array(keys, np.uint32))
