"""A memory of decided offers that compares with every one of them: what the batch rule is tested on."""

from collections.abc import Mapping, Sequence

import numpy as np

from matcher.arrays import F32Array
from matcher.brands import compatible, read_brand
from matcher.brands.names import names_in
from matcher.deciding.batch import Decided, Gone, Skipped, Step
from matcher.deciding.content import Content
from matcher.deciding.known import Hit, Known, exact_scores
from matcher.events.offer import Offer
from matcher.events.place import Version


def sees(asking: Offer, other: Offer) -> bool:
    """The rule of brand blocks, straight from the two offers."""
    own, its = read_brand(asking.brand), read_brand(other.brand)
    return own is None or its is None or compatible(own, its) or its.key in names_in(asking.title)


class ExactMemory:
    """Implements `matcher.deciding.known.Memory`, and applies steps as the state does."""

    def __init__(self) -> None:
        self.last: dict[str, Version] = {}
        self.live: dict[str, Known] = {}
        self.said: dict[str, Content] = {}
        self.keys: dict[str, int] = {}

    def versions(self, offer_ids: Sequence[str]) -> Mapping[str, Version]:
        return {offer_id: self.last[offer_id] for offer_id in offer_ids if offer_id in self.last}

    def products(self, offer_ids: Sequence[str]) -> Mapping[str, str]:
        return {offer_id: self.live[offer_id].product_id for offer_id in offer_ids if offer_id in self.live}

    def nearest(
        self,
        vectors: F32Array,
        k: int,
        not_sellers: Sequence[str | None] | None,
        by_brand: Sequence[Offer] | None = None,
    ) -> Sequence[Sequence[Hit]]:
        sellers = [None] * len(vectors) if not_sellers is None else not_sellers
        asking = [None] * len(vectors) if by_brand is None else by_brand
        return [self._nearest(vector, k, *more) for vector, *more in zip(vectors, sellers, asking, strict=True)]

    def _nearest(self, vector: F32Array, k: int, seller: str | None, asking: Offer | None) -> list[Hit]:
        allowed = [known for known in self.live.values() if not seller or self._seller(known) != seller]
        allowed = [known for known in allowed if asking is None or sees(asking, self.said[known.offer_id].offer)]
        if not allowed:
            return []
        scores = exact_scores(vector.astype("f8"), np.stack([known.vector for known in allowed]))
        hits = map(Hit, allowed, scores.tolist())
        return sorted(hits, key=lambda hit: (-hit.score, hit.known.version))[:k]

    def contents(self, known: Sequence[Known]) -> Sequence[Content]:
        return [self.said[one.offer_id] for one in known]

    def _seller(self, known: Known) -> str | None:
        return self.said[known.offer_id].offer.seller_id

    def apply(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, Decided):
                self.last[step.arrival.offer_id] = step.arrival.version
                self._keep(step, step.decision.product_id)
            elif isinstance(step, Gone):
                self.last[step.arrival.offer_id] = step.arrival.version
                self.live.pop(step.arrival.offer_id, None)
            elif isinstance(step, Skipped) and step.vector is not None:
                self._keep(step, self.live[step.arrival.offer_id].product_id)

    def _keep(self, step: Decided | Skipped, product_id: str) -> None:
        offer_id = step.arrival.offer_id
        assert step.vector is not None
        assert step.content is not None
        key = self.keys.setdefault(offer_id, len(self.keys))
        self.said[offer_id] = step.content
        self.live[offer_id] = Known(
            key=key, offer_id=offer_id, version=step.arrival.version, product_id=product_id, vector=step.vector
        )
