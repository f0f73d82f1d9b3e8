"""Small datasets and decisions for the tests of evaluation."""

from collections.abc import Mapping, Sequence

import numpy as np

from matcher.arrays import F32Array
from matcher.evaluation.decisions import TopDecisions
from matcher.events.offer import Offer, Price
from matcher.model.bundle import EncoderFacts
from matcher.training.dataset import Dataset, Features, Pairs


def a_dataset(
    products: Sequence[str | None],
    *,
    sellers: Sequence[str | None] | None = None,
    currencies: Sequence[str | None] | None = None,
    titles: Sequence[str] | None = None,
    brands: Sequence[str | None] | None = None,
    gtins: Sequence[str | None] | None = None,
    photos: Mapping[int, tuple[str, ...]] | None = None,
    pairs: Mapping[str, Pairs] | None = None,
) -> Dataset:
    """Offers named o0, o1, …; their features are zeros, since evaluation is given embeddings."""
    n = len(products)
    offers = [
        Offer(
            offer_id=f"o{row}",
            title=titles[row] if titles else f"offer {row}",
            brand=brands[row] if brands else None,
            gtin=gtins[row] if gtins else None,
            seller_id=sellers[row] if sellers else None,
            price=Price(amount=10.0 + row, currency=currencies[row]) if currencies else None,
            image_urls=(photos or {}).get(row, ()),
        )
        for row in range(n)
    ]
    return Dataset(
        name="made",
        encoder=EncoderFacts(model="dummy", fingerprint="0123456789abcdef", image_dim=2, text_dim=2),
        offers=offers,
        features=Features(
            image=np.zeros((n, 2), np.float16),
            has_image=np.zeros(n, np.bool_),
            text=np.zeros((n, 2), np.float16),
            has_text=np.zeros(n, np.bool_),
            numbers=np.full((n, 3), np.nan, np.float32),
        ),
        products=products,
        styles=[None] * n,
        pairs=pairs or {},
    )


def directions(degrees: Sequence[float]) -> F32Array:
    """Unit vectors in the plane, f32[n, 2]: the nearer the angles, the greater the score."""
    angles = np.deg2rad(np.array(degrees, np.float64))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def near_products(count: int, each: int, *, spread: float, seed: int, dim: int = 8) -> tuple[list[str], F32Array]:
    """`count` products of `each` offers around random centres: product ids and unit embeddings."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(count, dim))
    vectors = np.repeat(centres, each, axis=0) + spread * generator.normal(size=(count * each, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    products = [f"p{row // each}" for row in range(count * each)]
    return products, vectors.astype(np.float16).astype(np.float32)


def tops(score: Sequence[float], right: Sequence[int], has_match: Sequence[int] | None = None) -> TopDecisions:
    """Decisions with these scores; each has a match unless said otherwise, a right candidate stands at the top."""
    scores, hits = np.array(score, np.float64), np.array(right, bool)
    n = len(scores)
    return TopDecisions(
        query=np.arange(n, dtype=np.int64),
        candidate=np.where(scores > -np.inf, np.arange(n) + 1, -1).astype(np.int64),
        score=scores,
        confidence=scores,
        right=hits,
        has_match=np.ones(n, bool) if has_match is None else np.array(has_match, bool),
        place=np.where(hits, 0, -1).astype(np.int64),
    )
