"""What the tests of training build their cases from: offers around products, products around families."""

import numpy as np

from matcher.events.offer import Offer
from matcher.model.bundle import EncoderFacts
from matcher.training.dataset import Dataset, Features


def features_around(text, image=None, numbers=None) -> Features:
    """Features with these vectors; no photos and no numbers unless they are given."""
    n = len(text)
    return Features(
        image=np.zeros((n, 3), np.float16) if image is None else np.asarray(image, np.float16),
        has_image=np.full(n, image is not None),
        text=np.asarray(text, np.float16),
        has_text=np.ones(n, np.bool_),
        numbers=np.full((n, 3), np.nan, np.float32) if numbers is None else np.asarray(numbers, np.float32),
    )


def a_dataset(
    *,
    products=10,
    offers=3,
    siblings=2,
    dim=16,
    noise=0.3,
    seed=0,
    known=True,
    unknown=0,
    styles=None,
    sellers=None,
    pairs=None,
    encoder="0123456789abcdef",
    images=False,
    numbers=False,
    brands=None,
) -> Dataset:
    """`siblings` products stand close together; a few loud directions tell nothing about products.

    `unknown`: so many offers more, of no known product. `known` False: no product ids at all.
    """
    random = np.random.default_rng(seed)
    families = random.standard_normal((-(-products // siblings), dim)).repeat(siblings, axis=0)[:products]
    centres = families + 0.02 * random.standard_normal((products, dim))
    n = products * offers + unknown
    rows = np.concatenate([centres.repeat(offers, axis=0), random.standard_normal((unknown, dim))])
    scatter = noise * random.standard_normal((n, dim)) * (np.arange(dim) % 2)
    features = features_around(
        rows + scatter,
        image=rows[:, :8] + scatter[:, :8] if images else None,
        numbers=random.standard_normal((n, 3)) + 3 if numbers else None,
    )
    names = [f"p{row // offers}" if known and row < products * offers else None for row in range(n)]
    return Dataset(
        name="made",
        encoder=EncoderFacts(model="dummy", fingerprint=encoder, image_dim=features.image.shape[1], text_dim=dim),
        offers=[
            Offer(
                offer_id=f"o{row}",
                seller_id=sellers[row] if sellers else None,
                brand=brands[row] if brands else None,
            )
            for row in range(n)
        ],
        features=features,
        products=names,
        styles=[styles[row // offers] if styles else None for row in range(n)],
        pairs=pairs or {},
    )
