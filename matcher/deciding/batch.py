"""The batch rule: offers that arrive together are decided as if they had come one by one.

Each offer sees the index as it was before the batch, less what earlier records of the batch replaced or withdrew, plus
what they brought. So twins meet even when they arrive in the same batch, and where a batch is cut changes no decision.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from msgspec import Struct

from matcher.arrays import BoolArray, F32Array
from matcher.deciding.arrivals import Arrival, read_arrival
from matcher.deciding.identity import product_id, review_id
from matcher.deciding.known import Known, Memory, exact_scores
from matcher.deciding.outcome import Choice, choose, codes_conflict, explain
from matcher.events.dead_letter import Failure
from matcher.events.decision import Candidate, Decision, Evidence
from matcher.events.envelope import Record
from matcher.events.offer import Offer
from matcher.events.place import Version
from matcher.metrics import Metrics
from matcher.model.bundle import Bundle
from matcher.model.calibration import probability
from matcher.model.projection import modality_scores, project


class Decided(Struct, frozen=True, kw_only=True):
    """A decision on one arrival, with its embedding f32[dim] and, where a person is asked, the candidates to show."""

    arrival: Arrival
    vector: F32Array
    decision: Decision
    shown: tuple[tuple[Candidate, Offer], ...] = ()


class Gone(Struct, frozen=True):
    """A withdrawal: the offer leaves its product."""

    arrival: Arrival


class Skipped(Struct, frozen=True, kw_only=True):
    """A version that was decided before (`reindexed`: its embedding is taken again) or that a later one superseded."""

    arrival: Arrival
    why: Literal["superseded", "reindexed"]
    vector: F32Array | None = None


class Refused(Struct, frozen=True):
    """A record that ends as a dead letter."""

    record: Record
    failure: Failure


Step = Decided | Gone | Skipped | Refused


def decide_batch(records: Sequence[Record], memory: Memory, bundle: Bundle, metrics: Metrics) -> list[Step]:
    """What becomes of each record, in order. Changes nothing: the steps are applied after they were published."""
    with metrics.stage("decode").time():
        read = [read_arrival(record, bundle) for record in records]
        arrivals = [arrival for arrival in read if isinstance(arrival, Arrival)]
        versions = memory.versions([arrival.offer_id for arrival in arrivals])
        again = [a.offer_id for a in arrivals if a.features is not None and versions.get(a.offer_id) == a.version]
        products = memory.products(again) if again else {}
    with metrics.stage("project").time():
        offered = [arrival for arrival in arrivals if arrival.features is not None]
        vectors = project([arrival.features for arrival in offered if arrival.features is not None], bundle)
    row_of = {arrival.record.place: row for row, arrival in enumerate(offered)}
    with metrics.stage("search").time():
        sellers = [arrival.seller_id for arrival in offered] if bundle.search.exclude_own_seller else None
        # As many of the nearest may be replaced or withdrawn within the batch as it has known offers.
        k = bundle.search.candidates + len(versions)
        found = memory.nearest(vectors, k, sellers) if offered else []
    with metrics.stage("decide").time():
        batch = _Batch(
            bundle,
            offered=offered,
            vectors=vectors,
            found=found,
            versions=dict(versions),
            products=dict(products),
        )
        return [
            Refused(record, arrival)
            if isinstance(arrival, Failure)
            else batch.step(arrival, row_of.get(arrival.record.place))
            for record, arrival in zip(records, read, strict=True)
        ]


class _Batch:
    """Goes through a batch in order and remembers what its earlier records changed."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        offered: Sequence[Arrival],
        vectors: F32Array,
        found: Sequence[Sequence[Known]],
        versions: dict[str, Version],
        products: dict[str, str],
    ) -> None:
        self._bundle = bundle
        self._offered = offered
        self._vectors = vectors
        self._found = found
        self._versions = versions
        self._products = products  # of offers that this batch decided or indexes again
        self._live = np.zeros(len(offered), np.bool_)  # rows of this batch that stand in the index by now
        self._row_of: dict[str, int | None] = {}  # the row that speaks for an offer of this batch; None: withdrawn
        # Exact whatever the order of summation: see `exact_scores`.
        wide = vectors.astype(np.float64)
        self._twins = wide @ wide.T
        self._wide = wide
        codes = {seller: code for code, seller in enumerate({a.seller_id for a in offered})}
        self._sellers = np.array([codes[a.seller_id] if a.seller_id else -1 - n for n, a in enumerate(offered)], int)

    def step(self, arrival: Arrival, row: int | None) -> Step:
        last = self._versions.get(arrival.offer_id)
        if last is not None and arrival.version <= last:
            if arrival.version < last or row is None or arrival.offer_id not in self._products:
                return Skipped(arrival=arrival, why="superseded")
            # The same version may come with other features, for example when a photo failed the second time.
            self._hide(arrival.offer_id)
            self._show(arrival.offer_id, row)
            return Skipped(arrival=arrival, why="reindexed", vector=self._vectors[row])
        self._versions[arrival.offer_id] = arrival.version
        self._hide(arrival.offer_id)
        if row is None or arrival.features is None:
            self._products.pop(arrival.offer_id, None)
            return Gone(arrival)
        decided = self._decide(arrival, arrival.features.offer, row)
        self._products[arrival.offer_id] = decided.decision.product_id
        self._show(arrival.offer_id, row)
        return decided

    def _hide(self, offer_id: str) -> None:
        """What was known of the offer, from before or from this batch, is no candidate any more, not even its own."""
        earlier = self._row_of.get(offer_id)
        if earlier is not None:
            self._live[earlier] = False
        self._row_of[offer_id] = None

    def _show(self, offer_id: str, row: int) -> None:
        self._row_of[offer_id] = row
        self._live[row] = True

    def _decide(self, arrival: Arrival, offer: Offer, row: int) -> Decided:
        best = self._candidates(row)
        candidates = [_candidate(known, score, self._bundle) for known, score in best]
        conflict = bool(best) and codes_conflict(offer, best[0][0].offer)
        choice = choose(candidates, self._bundle.thresholds, conflict=conflict)
        own = product_id(arrival.offer_id, arrival.version)
        matched = choice.outcome == "matched" and choice.best is not None
        asked = choice.outcome == "needs_review"
        shown = tuple((c, known.offer) for c, (known, _) in zip(candidates, best, strict=True))[:3] if asked else ()
        decision = Decision(
            offer_id=arrival.offer_id,
            outcome=choice.outcome,
            product_id=choice.best.product_id if matched and choice.best else own,
            version=arrival.version,
            cause=arrival.record.place,
            model=self._bundle.fingerprint,
            matched_offer_id=choice.best.offer_id if choice.best else None,
            score=choice.best.score if choice.best else None,
            probability=choice.best.probability if choice.best else None,
            evidence=self._evidence(row, best, candidates, choice, conflict=conflict),
            review_id=review_id(arrival.offer_id, arrival.version) if asked else None,
            review_reason=choice.reason,
        )
        return Decided(arrival=arrival, vector=self._vectors[row], decision=decision, shown=shown)

    def _candidates(self, row: int) -> list[tuple[Known, float]]:
        """The nearest offers that this one may see, best first; of equal scores the older version."""
        before = [k for k in self._found[row] if k.offer_id not in self._row_of]
        scored = list(zip(before, exact_scores(self._wide[row], before), strict=True))
        scored += [(self._known(other), float(self._twins[row, other])) for other in self._nearest_twins(row)]
        scored.sort(key=lambda pair: (-pair[1], pair[0].version))
        return scored[: self._bundle.search.candidates]

    def _nearest_twins(self, row: int) -> list[int]:
        """The rows of this batch that can be among the candidates; ties at the edge all stay in."""
        rows = np.flatnonzero(self._visible(row))
        k = self._bundle.search.candidates
        if len(rows) > k:
            scores = self._twins[row, rows]
            rows = rows[scores >= np.partition(scores, -k)[-k]]
        return [int(other) for other in rows]

    def _visible(self, row: int) -> BoolArray:
        """Which rows of this batch the offer in `row` may match."""
        if not self._bundle.search.exclude_own_seller:
            return self._live
        others: BoolArray = self._sellers != self._sellers[row]
        return self._live & others

    def _known(self, row: int) -> Known:
        arrival = self._offered[row]
        assert arrival.features is not None
        return Known(
            offer_id=arrival.offer_id,
            version=arrival.version,
            product_id=self._products[arrival.offer_id],
            offer=arrival.features.offer,
            vector=self._vectors[row],
        )

    def _evidence(
        self,
        row: int,
        best: Sequence[tuple[Known, float]],
        candidates: Sequence[Candidate],
        choice: Choice,
        *,
        conflict: bool,
    ) -> tuple[Evidence, ...]:
        if not best or choice.best is None:
            return ()
        rival = next((c.score for c in candidates if c.product_id != choice.best.product_id), None)
        modalities = modality_scores(self._vectors[row], best[0][0].vector, self._bundle)
        return explain(modalities, conflict=conflict, runner_up=rival)


def _candidate(known: Known, score: float, bundle: Bundle) -> Candidate:
    return Candidate(
        offer_id=known.offer_id,
        product_id=known.product_id,
        version=known.version,
        score=round(score, 6),
        probability=round(probability(score, bundle.calibration), 6),
    )
