"""Offers with raw features and, where they are known, products: what training and evaluation work on."""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from matcher.arrays import BoolArray, F16Array, F32Array, I64Array
from matcher.events.offer import Offer
from matcher.model.bundle import EncoderFacts


class Features(Struct, frozen=True, kw_only=True):
    """Raw features of n offers, row by row; a missing modality is a row of zeros and False.

    image f16[n, image_dim] (mean over the offer's photos), text f16[n, text_dim], numbers f32[n, 3] =
    [n_sizes, log(n_sizes), log(price in euros)], NaN where missing.
    """

    image: F16Array
    has_image: BoolArray
    text: F16Array
    has_text: BoolArray
    numbers: F32Array

    def __len__(self) -> int:
        return len(self.has_text)

    def take(self, rows: I64Array) -> "Features":
        """The features of some rows, in their order."""
        return Features(
            image=self.image[rows],
            has_image=self.has_image[rows],
            text=self.text[rows],
            has_text=self.has_text[rows],
            numbers=self.numbers[rows],
        )


class Pairs(Struct, frozen=True, kw_only=True):
    """Labelled pairs: rows of the left and right offers (i64[m]) and whether they are one product (bool[m])."""

    left: I64Array
    right: I64Array
    same: BoolArray


class Dataset(Struct, frozen=True, kw_only=True):
    """n offers of one table. `products`, `sellers`, `styles`: None where unknown. `pairs` by the name of their file.

    `styles` groups the variants of one model (colour siblings). `photos`: paths or URLs, for galleries.
    """

    name: str
    encoder: EncoderFacts
    offers: Sequence[Offer]
    features: Features
    products: Sequence[str | None]
    styles: Sequence[str | None]
    pairs: Mapping[str, Pairs] = {}

    def __len__(self) -> int:
        return len(self.offers)

    @property
    def sellers(self) -> Sequence[str | None]:
        return [offer.seller_id for offer in self.offers]

    def take(self, rows: I64Array) -> "Dataset":
        """Some of the offers, in their order; labelled pairs stay where both offers do."""
        place = {int(row): new for new, row in enumerate(rows)}

        def kept(pairs: Pairs) -> Pairs:
            both = np.array(
                [int(a) in place and int(b) in place for a, b in zip(pairs.left, pairs.right, strict=True)], bool
            )
            return Pairs(
                left=np.array([place[int(row)] for row in pairs.left[both]], np.int64),
                right=np.array([place[int(row)] for row in pairs.right[both]], np.int64),
                same=pairs.same[both],
            )

        return Dataset(
            name=self.name,
            encoder=self.encoder,
            offers=[self.offers[int(row)] for row in rows],
            features=self.features.take(rows),
            products=[self.products[int(row)] for row in rows],
            styles=[self.styles[int(row)] for row in rows],
            pairs={name: kept(pairs) for name, pairs in self.pairs.items()},
        )
