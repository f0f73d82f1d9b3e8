"""Offers in flight: what earlier batches decided counts for the next ones before the memory has it.

A batch is in flight from its decision until it is published and applied. Its offers are compared in memory, exactly;
and whatever the memory says of an offer that is in flight is not asked for or ignored: as it was before, as it will be
after, or neither, since it may be applied at this very moment.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from matcher.arrays import BoolArray, F32Array, F64Array
from matcher.brands import BrandRule
from matcher.deciding.content import Content
from matcher.deciding.known import Hit, Known, Memory
from matcher.deciding.steps import Decided, Expired, Gone, Skipped, Step
from matcher.events.offer import Offer
from matcher.events.place import Version


class Overlay:
    """Implements `Memory` over another one: what that one will know once `steps` are applied to it.

    The memory may be applying `steps`, in their order and nothing else, while the overlay is used: it must go on
    telling the truth of all other offers.
    """

    def __init__(self, memory: Memory, steps: Sequence[Step]) -> None:
        self._memory = memory
        self._versions: dict[str, Version] = {}
        speaking: dict[str, Decided | Skipped | None] = {}  # the step that says how the offer looks; None: gone
        products: dict[str, str | None] = {}
        for step in steps:
            if isinstance(step, Decided):
                products[step.arrival.offer_id] = step.decision.product_id
            if isinstance(step, Decided | Gone):
                self._versions[step.arrival.offer_id] = step.arrival.version
            if isinstance(step, Decided) or (isinstance(step, Skipped) and step.vector is not None):
                speaking[step.arrival.offer_id] = step
            elif isinstance(step, Gone):
                speaking[step.arrival.offer_id] = products[step.arrival.offer_id] = None
            elif isinstance(step, Expired):
                self._versions[step.offer_id] = step.version
                speaking[step.offer_id] = products[step.offer_id] = None
        # Features that came again for a version that was decided before: its product is the memory's to tell.
        products |= memory.products([offer_id for offer_id in speaking if offer_id not in products])
        self._products: dict[str, str | None] = products
        live = [(offer_id, step) for offer_id, step in speaking.items() if step is not None]
        self._masked = frozenset(speaking)
        self._known = [_known(place, step, products[offer_id]) for place, (offer_id, step) in enumerate(live)]
        self._contents = [_content(step) for _, step in live]
        self._vectors = np.array([known.vector for known in self._known], np.float64)
        self._codes = {seller: code for code, seller in enumerate({step.arrival.seller_id for _, step in live})}
        sellers = [self._codes[step.arrival.seller_id] if step.arrival.seller_id else NO_CODE for _, step in live]
        self._sellers = np.array(sellers, np.int64)

    @property
    def changed(self) -> frozenset[str]:
        """The offers in flight."""
        return self._masked

    def versions(self, offer_ids: Sequence[str]) -> Mapping[str, Version]:
        """See `Memory.versions`."""
        rest = [offer_id for offer_id in offer_ids if offer_id not in self._versions]
        mine = {offer_id: self._versions[offer_id] for offer_id in offer_ids if offer_id in self._versions}
        return {**self._memory.versions(rest), **mine} if rest else mine

    def products(self, offer_ids: Sequence[str]) -> Mapping[str, str]:
        """See `Memory.products`."""
        rest = [offer_id for offer_id in offer_ids if offer_id not in self._products]
        mine = {offer_id: product for offer_id in offer_ids if (product := self._products.get(offer_id)) is not None}
        return {**self._memory.products(rest), **mine} if rest else mine

    def nearest(
        self,
        vectors: F32Array,
        k: int,
        not_sellers: Sequence[str | None] | None,
        by_brand: Sequence[Offer] | None = None,
    ) -> Sequence[Sequence[Hit]]:
        """See `Memory.nearest`."""
        allowed = [
            self._allowed(
                None if not_sellers is None else not_sellers[row], None if by_brand is None else by_brand[row]
            )
            for row in range(len(vectors))
        ]
        # Exact whatever the order of summation: see `exact_scores`.
        scores = vectors.astype(np.float64) @ self._vectors.T if self._known else np.zeros((len(vectors), 0))
        found: list[list[Hit]] = [[] for _ in vectors]
        open_, fetch, most = list(range(len(vectors))), k, k + len(self._masked)
        while open_:
            sellers = None if not_sellers is None else [not_sellers[row] for row in open_]
            asking = None if by_brand is None else [by_brand[row] for row in open_]
            still = []
            for row, hits in zip(open_, self._memory.nearest(vectors[open_], fetch, sellers, asking), strict=True):
                others = [hit for hit in hits if hit.known.offer_id not in self._masked][:k]
                mine = self._in_flight(scores[row], k, others, allowed[row])
                found[row] = sorted([*others, *mine], key=_order)[:k] if mine else others
                # What was not fetched comes behind the last that was.
                seen = len(hits) == fetch and len(found[row]) == k and _order(found[row][-1]) <= _order(hits[-1])
                if not seen and fetch < most:
                    still.append(row)
            open_, fetch = still, min(2 * fetch, most)
        return found

    @cached_property
    def _brands(self) -> BrandRule:
        return BrandRule([content.offer for content in self._contents])

    def contents(self, known: Sequence[Known]) -> Sequence[Content]:
        """See `Memory.contents`."""
        told = iter(self._memory.contents([one for one in known if one.key >= 0]))
        return [next(told) if one.key >= 0 else self._contents[-1 - one.key] for one in known]

    def _allowed(self, not_seller: str | None, asking: Offer | None) -> BoolArray:
        """Which of the offers in flight one offer may match."""
        allowed = np.ones(len(self._known), np.bool_)
        if not_seller:
            allowed = self._sellers != self._codes.get(not_seller, NO_CODE - 1)
        if asking is not None:
            allowed = allowed & self._brands.seen_by(asking)
        return allowed

    def _in_flight(self, scores: F64Array, k: int, hits: Sequence[Hit], allowed: BoolArray) -> list[Hit]:
        """The offers in flight that can be among the k nearest, beside `hits`; ties at the edge all stay in."""
        places = np.flatnonzero(allowed)
        if len(hits) == k:
            places = places[scores[places] >= hits[-1].score]
        if len(places) > k:
            best = scores[places]
            places = places[best >= np.partition(best, -k)[-k]]
        return [Hit(self._known[place], float(scores[place])) for place in places.tolist()]


#: Of an offer without a seller: equals no one's.
NO_CODE = -1


def _order(hit: Hit) -> tuple[float, Version]:
    return -hit.score, hit.known.version


def _known(place: int, step: Decided | Skipped, product_id: str | None) -> Known:
    assert step.vector is not None
    assert product_id is not None, "only a version that has a product is indexed again"
    return Known(
        key=-1 - place,  # the memory's own are never negative
        offer_id=step.arrival.offer_id,
        version=step.arrival.version,
        product_id=product_id,
        vector=step.vector,
    )


def _content(step: Decided | Skipped) -> Content:
    assert step.content is not None, "whoever decides reads the contents"
    return step.content
