"""Which offers each offer of a batch is compared with: the batch is walked in order, nothing is decided yet.

That can be told beforehand: what an offer sees depends on versions, order and embeddings, never on decisions.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct

from matcher.arrays import BoolArray, F32Array
from matcher.brands import BrandRule
from matcher.deciding.arrivals import Arrival
from matcher.deciding.known import Hit, Known
from matcher.events.place import Version
from matcher.model.bundle import Search


class Near(Struct, frozen=True):
    """A candidate: its place in `Plan` and the exact score of the embeddings."""

    place: int
    score: float


class Planned(Struct, frozen=True, kw_only=True):
    """What one arrival leads to. `row`: its place where it brings features; `near`: best first, of equals the older."""

    arrival: Arrival
    what: Literal["decide", "gone", "reindexed", "superseded"]
    row: int | None
    near: tuple[Near, ...] = ()


class Plan(Struct, frozen=True, kw_only=True):
    """The arrivals in order, and the offers they are compared with.

    Places 0 … n - 1 are the n `offered` arrivals (those with features), places from n on are `known`.
    """

    planned: tuple[Planned, ...]
    offered: Sequence[Arrival]
    known: tuple[Known, ...]


def plan_batch(
    arrivals: Sequence[Arrival],
    vectors: F32Array,
    found: Sequence[Sequence[Hit]],
    *,
    versions: Mapping[str, Version],
    live: Sequence[str],
    search: Search,
) -> Plan:
    """Plans a batch whose arrivals with features have the embeddings `vectors` (f32[n, dim]) and found these hits.

    `versions`: the last decided ones. `live`: offers that have a product, of those whose last version comes again.
    """
    offered = [arrival for arrival in arrivals if arrival.features is not None]
    walk = _Walk(offered, vectors, found, versions=versions, live=live, search=search)
    rows = iter(range(len(offered)))
    planned = tuple(walk.step(a, next(rows) if a.features is not None else None) for a in arrivals)
    return Plan(planned=planned, offered=offered, known=tuple(walk.known))


class _Walk:
    """Goes through a batch in order and remembers what its earlier records changed."""

    def __init__(
        self,
        offered: Sequence[Arrival],
        vectors: F32Array,
        found: Sequence[Sequence[Hit]],
        *,
        versions: Mapping[str, Version],
        live: Sequence[str],
        search: Search,
    ) -> None:
        self._offered = offered
        self._found = found
        self._search = search
        self._versions = dict(versions)
        self._with_product = set(live)
        self._row_of: dict[str, int | None] = {}  # the row that speaks for an offer of this batch; None: withdrawn
        self._in_index = np.zeros(len(offered), np.bool_)  # rows of this batch that stand in the index by now
        # Exact whatever the order of summation: see `exact_scores`.
        wide = vectors.astype(np.float64)
        self._twins = wide @ wide.T
        codes = {seller: code for code, seller in enumerate({a.seller_id for a in offered})}
        self._sellers = np.array([codes[a.seller_id] if a.seller_id else -1 - n for n, a in enumerate(offered)], int)
        offers = [a.features.offer for a in offered if a.features is not None] if search.brand_blocks else []
        rule = BrandRule(offers)
        self._by_brand = [rule.seen_by(offer) for offer in offers]
        self.known: list[Known] = []
        self._place_of: dict[int, int] = {}

    def step(self, arrival: Arrival, row: int | None) -> Planned:
        last = self._versions.get(arrival.offer_id)
        if last is not None and arrival.version <= last:
            if arrival.version < last or row is None or arrival.offer_id not in self._with_product:
                return Planned(arrival=arrival, what="superseded", row=row)
            # The same version may come with other features, for example when a photo failed the second time.
            self._hide(arrival.offer_id)
            self._show(arrival.offer_id, row)
            return Planned(arrival=arrival, what="reindexed", row=row)
        self._versions[arrival.offer_id] = arrival.version
        self._hide(arrival.offer_id)
        if row is None:
            self._with_product.discard(arrival.offer_id)
            return Planned(arrival=arrival, what="gone", row=None)
        near = self._candidates(row)
        self._with_product.add(arrival.offer_id)
        self._show(arrival.offer_id, row)
        return Planned(arrival=arrival, what="decide", row=row, near=near)

    def _hide(self, offer_id: str) -> None:
        """What was known of the offer, from before or from this batch, is no candidate any more, not even its own."""
        earlier = self._row_of.get(offer_id)
        if earlier is not None:
            self._in_index[earlier] = False
        self._row_of[offer_id] = None

    def _show(self, offer_id: str, row: int) -> None:
        self._row_of[offer_id] = row
        self._in_index[row] = True

    def _candidates(self, row: int) -> tuple[Near, ...]:
        """The nearest offers that this one may see, best first; of equal scores the older version."""
        most = self._search.candidates
        before = [hit for hit in self._found[row] if hit.known.offer_id not in self._row_of][:most]
        scored: list[tuple[float, Version, int | Known]] = [(hit.score, hit.known.version, hit.known) for hit in before]
        twins = self._nearest_twins(row)
        scored += [(float(self._twins[row, other]), self._offered[other].version, other) for other in twins]
        scored.sort(key=lambda entry: (-entry[0], entry[1]))
        return tuple(Near(self._place(offer), score) for score, _, offer in scored[:most])

    def _place(self, offer: int | Known) -> int:
        if isinstance(offer, int):
            return offer
        place = self._place_of.setdefault(offer.key, len(self._offered) + len(self.known))
        if place == len(self._offered) + len(self.known):
            self.known.append(offer)
        return place

    def _nearest_twins(self, row: int) -> list[int]:
        """The rows of this batch that can be among the candidates; ties at the edge all stay in."""
        rows = np.flatnonzero(self._visible(row))
        k = self._search.candidates
        if len(rows) > k:
            scores = self._twins[row, rows]
            rows = rows[scores >= np.partition(scores, -k)[-k]]
        return [int(other) for other in rows]

    def _visible(self, row: int) -> BoolArray:
        """Which rows of this batch the offer in `row` may match."""
        visible = self._in_index
        if self._search.exclude_own_seller:
            visible = visible & (self._sellers != self._sellers[row])
        if self._search.brand_blocks:
            visible = visible & self._by_brand[row]
        return visible
