"""What was decided before a batch, as the batch rule asks for it; and the one score of two embeddings."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from msgspec import Struct

from matcher.arrays import F32Array, F64Array
from matcher.deciding.content import Content
from matcher.events.offer import Offer
from matcher.events.place import Version


class Known(Struct, frozen=True, kw_only=True):
    """An offer that was decided before. `vector` f32[dim] is its embedding; `key` is the memory's name for it."""

    key: int
    offer_id: str
    version: Version
    product_id: str
    vector: F32Array


class Hit(NamedTuple):
    """A known offer and the exact score of its embedding with the one that was asked for."""

    known: Known
    score: float


class Memory(Protocol):
    """What was decided before this batch."""

    def versions(self, offer_ids: Sequence[str]) -> Mapping[str, Version]:
        """The last decided version of each offer that was ever decided, withdrawn ones included."""

    def products(self, offer_ids: Sequence[str]) -> Mapping[str, str]:
        """The product of each of these offers that has one; withdrawn and unknown ones are left out."""

    def nearest(
        self,
        vectors: F32Array,
        k: int,
        not_sellers: Sequence[str | None] | None,
        by_brand: Sequence[Offer] | None = None,
    ) -> Sequence[Sequence[Hit]]:
        """For each embedding (f32[n, dim]) the k nearest offers; those of its `not_sellers` entry are left out.

        `by_brand`: the offers that ask, of which each sees what `matcher.brands.rule` says; None: brands do not matter.

        Best first by `exact_scores`, of equal ones the older version: also which offers are among the k follows this
        order, since k depends on the batch and the decisions must not.
        """

    def contents(self, known: Sequence[Known]) -> Sequence[Content]:
        """What these offers say, in their order; asked for the few that are looked at, not for all found."""


def exact_scores(query: F64Array, vectors: F32Array) -> F64Array:
    """Inner products f64[n] of `query` (f64[dim], fp16 values) with embeddings f32[n, dim].

    fp16 values are multiples of 2⁻²⁴, so their products are multiples of 2⁻⁴⁸ and sums up to 16 fit a float64 without
    any rounding: the score is the same in every order of summation, batch and process, which float32 in BLAS is not.
    """
    return np.asarray(vectors.astype(np.float64) @ query)
