"""Offer vectors like those of a marketplace, from a seed: what the index is measured on.

A vector is a sum of what all offers share, its category, its sub-category, its family (the variants of one model),
its product and its own noise, scaled so that two offers have a cosine of about 0.88 if they are of one product, 0.73
if they are of sibling products, and 0.20 at random. Families and sub-categories are of unequal sizes; of brands and
sellers, few have a great part of all offers and most have few.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from index_store.store import NO_BLOCK, BlockCodes, SellerCodes

DIM: Final = 192
BRANDS: Final = 20_000
SELLERS: Final = 2_000
FAMILY_PRODUCTS: Final = 6.0  # a family has so many products on average, a product so many offers
PRODUCT_OFFERS: Final = 4.0

# Squares of the lengths of the parts: what two offers share adds up to their cosine.
_COMMON, _CATEGORY, _SUBCATEGORY, _FAMILY, _PRODUCT = 0.18, 0.15, 0.15, 0.25, 0.15
_OWN: Final = 1 - _COMMON - _CATEGORY - _SUBCATEGORY - _FAMILY - _PRODUCT
_CATEGORIES: Final = 40
_SUBCATEGORIES: Final = 1_000
_STEP: Final = 65_536

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """vectors: f16[n, DIM] of unit length; product, family: i64[n]; sellers: i32[n]. In random order."""

    vectors: npt.NDArray[np.float16]
    product: Numbers
    family: Numbers
    sellers: SellerCodes


def make_feed(offers: int, seed: int, file: Path | None = None) -> Feed:
    """So many offers; their vectors lie in `file`, if one is named, and take no memory that is not to spare."""
    random = np.random.default_rng(seed)
    products = int(offers / PRODUCT_OFFERS) + 1
    families = int(products / FAMILY_PRODUCTS) + 1
    family_of = _skewed(random, families, products)
    product = random.permutation(_skewed(random, products, offers))
    subcategory_of = random.permutation(_skewed(random, min(_SUBCATEGORIES, families), families))
    category_of = random.integers(0, _CATEGORIES, _SUBCATEGORIES)
    parts = [
        _directions(random, 1, _COMMON),
        _directions(random, _CATEGORIES, _CATEGORY),
        _directions(random, _SUBCATEGORIES, _SUBCATEGORY),
    ]
    family_part = _directions(random, families, _FAMILY).astype(np.float16)
    product_part = _directions(random, products, _PRODUCT).astype(np.float16)
    vectors: npt.NDArray[np.float16] = (
        np.empty((offers, DIM), np.float16) if file is None else np.memmap(file, np.float16, "w+", shape=(offers, DIM))
    )
    for start in range(0, offers, _STEP):
        own = product[start : start + _STEP]
        family = family_of[own]
        subcategory = subcategory_of[family]
        rows = parts[0] + parts[1][category_of[subcategory]] + parts[2][subcategory]
        rows = rows + family_part[family] + product_part[own] + _directions(random, len(own), _OWN)
        vectors[start : start + _STEP] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    sellers = _zipf(random, SELLERS, offers).astype(np.int32)
    return Feed(vectors, product, family_of[product], sellers)


def brands(feed: Feed, missing: float, *, tied: bool, seed: int, conflicting: float = 0.0) -> BlockCodes:
    """i32[n]: the brand of each offer, NO_BLOCK for the share `missing` of them.

    tied: a brand has whole families, and it is missing where the vectors lie to one side; else a brand has single
    products, whatever they look like, and is missing by chance.

    conflicting: share of the pairs of offers of one product and with brands whose brands are to differ; if untied
    """
    random = np.random.default_rng(seed)
    if tied:
        codes = _zipf(random, BRANDS, int(feed.family.max()) + 1)[feed.family].astype(np.int32)
        direction = random.standard_normal(DIM).astype(np.float32)
        parts = range(0, len(codes), _STEP)
        side = np.concatenate([feed.vectors[at : at + _STEP].astype(np.float32) @ direction for at in parts])
        codes[side < np.quantile(side, missing)] = NO_BLOCK
        return codes
    codes = _zipf(random, BRANDS, int(feed.product.max()) + 1)[feed.product].astype(np.int32)
    codes[random.random(len(codes)) < missing] = NO_BLOCK
    if conflicting:
        other = (codes != NO_BLOCK) & (random.random(len(codes)) < 1 - np.sqrt(1 - conflicting))
        codes[other] = _zipf(random, BRANDS, int(other.sum())) + BRANDS
    return codes


def _directions(random: np.random.Generator, count: int, share: float) -> npt.NDArray[np.float32]:
    """f32[count, DIM]: random directions, the square of whose length is about `share`."""
    return random.standard_normal((count, DIM), np.float32) * np.float32(np.sqrt(share / DIM))


def _skewed(random: np.random.Generator, groups: int, members: int) -> Numbers:
    """i64[members]: the group of each; every group has one at least, the others as they fall by unequal chances."""
    chances = np.cumsum(random.exponential(size=groups))
    rest = np.searchsorted(chances, random.random(max(0, members - groups)) * chances[-1])
    return np.concatenate([np.arange(groups), rest])[:members]


def _zipf(random: np.random.Generator, groups: int, members: int) -> Numbers:
    """i64[members]: groups of Zipf's sizes, the n-th with a share in proportion to 1 / n."""
    shares = np.cumsum(1 / np.arange(1, groups + 1))
    groups_of: Numbers = np.searchsorted(shares, random.random(members) * shares[-1])
    return groups_of
