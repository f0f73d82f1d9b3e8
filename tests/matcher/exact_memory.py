"""A memory of decided offers that compares with every one of them: what the batch rule is tested on."""

from collections.abc import Mapping, Sequence

from matcher.arrays import F32Array
from matcher.deciding.batch import Decided, Gone, Skipped, Step
from matcher.deciding.known import Known, exact_scores
from matcher.events.place import Version


class ExactMemory:
    """Implements `matcher.deciding.known.Memory`, and applies steps as the state does."""

    def __init__(self) -> None:
        self.last: dict[str, Version] = {}
        self.live: dict[str, Known] = {}

    def versions(self, offer_ids: Sequence[str]) -> Mapping[str, Version]:
        return {offer_id: self.last[offer_id] for offer_id in offer_ids if offer_id in self.last}

    def products(self, offer_ids: Sequence[str]) -> Mapping[str, str]:
        return {offer_id: self.live[offer_id].product_id for offer_id in offer_ids if offer_id in self.live}

    def nearest(self, vectors: F32Array, k: int, not_sellers: Sequence[str | None] | None) -> Sequence[Sequence[Known]]:
        sellers = [None] * len(vectors) if not_sellers is None else not_sellers
        return [self._nearest(vector, k, seller) for vector, seller in zip(vectors, sellers, strict=True)]

    def _nearest(self, vector: F32Array, k: int, seller: str | None) -> list[Known]:
        allowed = [known for known in self.live.values() if not seller or known.offer.seller_id != seller]
        scores = exact_scores(vector.astype("f8"), allowed)
        ranked = sorted(zip(allowed, scores, strict=True), key=lambda pair: (-pair[1], pair[0].version))
        return [known for known, _ in ranked[:k]]

    def apply(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, Decided):
                self.last[step.arrival.offer_id] = step.arrival.version
                self._keep(step.arrival, step.vector, step.decision.product_id)
            elif isinstance(step, Gone):
                self.last[step.arrival.offer_id] = step.arrival.version
                self.live.pop(step.arrival.offer_id, None)
            elif isinstance(step, Skipped) and step.vector is not None:
                self._keep(step.arrival, step.vector, self.live[step.arrival.offer_id].product_id)

    def _keep(self, arrival, vector: F32Array, product_id: str) -> None:
        assert arrival.features is not None
        self.live[arrival.offer_id] = Known(
            offer_id=arrival.offer_id,
            version=arrival.version,
            product_id=product_id,
            offer=arrival.features.offer,
            vector=vector,
        )
