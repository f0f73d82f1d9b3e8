"""Offers, tables and pair evidence as the tests of the verifier need them."""

import math

import numpy as np
from hypothesis import strategies as st

from matcher.events.offer import Offer, Price
from matcher.model.bundle import EncoderFacts
from matcher.money import numbers_of
from matcher.training.dataset import Dataset, Features
from matcher.verifier.evidence import COSINES, KINDS, evidence
from matcher.verifier.idf import IdfTable, fit_idf
from matcher.verifier.table import trait_table
from matcher.verifier.traits import read_traits
from matcher.verifier.words import distinct

#: All that is read from the offers themselves.
NAMES = tuple(kind.name for kind in KINDS if kind not in COSINES)
BRANDS = ("Jabra", "Sony", "Žluťáček", "东芝")
WORDS = (
    "evolve", "75", "uc", "stereo", "Black", "schwarz", "note", "8", "8t", "Pro", "Lite", "256GB", "512 GB", '15.6"',
    "WH1000XM3", "wh-1000xm4", "iPhone", "XR", "mark", "II", "2", "4K", "Größe", "耳机", "case", "for", "-", "42mm",
    "1,5 l", "pack of 6", "570x",
)  # fmt: skip

titles = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join) | st.text(max_size=20) | st.none()
prices = st.none() | st.builds(
    Price, amount=st.sampled_from([0.0, 9.99, 120.0, 1e6]), currency=st.sampled_from([None, "EUR", "USD", "XXX"])
)
offers = st.builds(
    Offer,
    offer_id=st.just("o"),
    title=titles,
    brand=st.none() | st.sampled_from(BRANDS),
    description=titles,
    price=prices,
    n_sizes=st.sampled_from([None, 1, 4]),
    gtin=st.sampled_from([None, "4006381333931", "4006381333932", "96385074"]),
    mpn=st.sampled_from([None, "", "AB-12345", "ab12345", "ZZ9"]),
)


def log_euros(offer: Offer) -> float:
    return float(numbers_of(offer)[2])


def an_idf(texts=WORDS, copies=2) -> IdfTable:
    """Every text but the last five stands in several offers."""
    bags = [read_traits(Offer(offer_id="o", title=text)) for text in texts[:-5] for _ in range(copies)]
    return fit_idf(distinct(np.concatenate([one.bag(name) for name in ("told", "grams", "stems")])) for one in bags)


EMPTY_IDF = IdfTable(words=np.empty(0, np.uint32), counts=np.empty(0, np.uint32), documents=0)


def read_pairs(offers, left, right, *, names=NAMES, idf=EMPTY_IDF, cosines=None):
    """f32[m, names] for pairs of rows of a list of offers."""
    traits = [read_traits(offer, log_euros(offer)) for offer in offers]
    rows = (np.asarray(left, np.int64), np.asarray(right, np.int64))
    return evidence(trait_table(traits, idf), *rows, cosines or {}, names)


def compare(one, other, **more) -> dict[str, float]:
    """What two offers (or titles) say, by name."""
    pair = [Offer(offer_id="o", title=each) if isinstance(each, str) else each for each in (one, other)]
    return dict(zip(NAMES, read_pairs(pair, [0], [1], **more)[0].tolist(), strict=True))


def an_offer(**fields) -> Offer:
    return Offer(offer_id="o", **fields)


def name_of(product) -> str:
    """A word that no other product has."""
    return f"{chr(97 + product // 26)}{chr(97 + product % 26)}zq"


def a_market(*, products=24, offers=3, dim=8, seed=0, known=True, pairs=None, noise=0.6) -> Dataset:
    """Products of two siblings each: one model in two sizes, shown by several sellers with words of their own."""
    random = np.random.default_rng(seed)
    families = random.standard_normal((-(-products // 2), dim)).repeat(2, axis=0)[:products]
    vectors = (families + 0.1 * random.standard_normal((products, dim))).repeat(offers, axis=0)
    vectors += noise * random.standard_normal(vectors.shape) * (np.arange(dim) % 2)
    rows = range(products * offers)
    made = [
        Offer(
            offer_id=f"o{row}",
            seller_id=f"s{row % offers}",
            title=f"Family{row // offers // 2} {name_of(row // offers)} {64 * (1 + row // offers % 2)}GB shop{row % 3}",
            description=f"made by family {row // offers // 2}",
            price=Price(amount=float(50 + 100 * (row // offers % 2) + row % offers), currency="EUR"),
        )
        for row in rows
    ]
    n = len(made)
    return Dataset(
        name="market",
        encoder=EncoderFacts(model="dummy", fingerprint="0123456789abcdef", image_dim=4, text_dim=dim),
        offers=made,
        features=Features(
            image=np.zeros((n, 4), np.float16),
            has_image=np.zeros(n, np.bool_),
            text=vectors.astype(np.float16),
            has_text=np.ones(n, np.bool_),
            numbers=np.stack([numbers_of(offer) for offer in made]),
        ),
        products=[f"p{row // offers}" if known else None for row in rows],
        styles=[None] * n,
        pairs=pairs or {},
    )


def missing(value: float) -> bool:
    return math.isnan(value)
