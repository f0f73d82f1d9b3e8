"""Folding one batch of records: from offers as they were to everything that has to be written. No database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from index_store.fold import OfferFold
from index_store.rows import Changes, FeatureRow, Version
from index_store.tables import Totals


@dataclass(slots=True)
class Outcome:
    """What a batch changed.

    new, known: ledger rows to insert and to update; attached: (key, place, features) to index; removed: keys to
    take out of the index; stale: places that no offer names any more; held, unheld: pending features to add and to
    drop; founded: the first version seen in each product named; joined: change of members by product
    """

    new: list[OfferFold] = field(default_factory=list)
    known: list[OfferFold] = field(default_factory=list)
    attached: list[tuple[int, int, FeatureRow]] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    stale: list[int] = field(default_factory=list)
    held: list[FeatureRow] = field(default_factory=list)
    unheld: list[tuple[str, Version]] = field(default_factory=list)
    founded: dict[str, Version] = field(default_factory=dict)
    joined: Counter[str] = field(default_factory=Counter)
    ignored_decisions: int = 0
    ignored_features: int = 0


@dataclass(frozen=True, slots=True)
class _Before:
    known: bool
    product_id: str | None
    live: bool
    pending: dict[Version, FeatureRow]


def fold_batch(offers: Mapping[str, OfferFold], changes: Changes, totals: Totals) -> Outcome:
    """Apply the records to `offers` (which holds every offer they name) and to `totals`, both in place; of
    `totals`, the number of products is left to the caller.

    Decisions go first, so that their features need not be held. Raises `VersionsNotComparable`.
    """
    before = {
        name: _Before(offer.key is not None, offer.product_id, offer.live, dict(offer.pending))
        for name, offer in offers.items()
    }
    outcome = Outcome()
    for decision in changes.decisions:
        if not offers[decision.offer_id].decide(decision):
            outcome.ignored_decisions += 1
        elif decision.product_id is not None:
            outcome.founded.setdefault(decision.product_id, decision.version)
    for features in changes.features:
        if not offers[features.offer_id].add_features(features):
            outcome.ignored_features += 1
    for name, offer in offers.items():
        _collect(offer, before[name], outcome, totals)
    totals.offers += len(outcome.new)
    totals.stale += len(outcome.stale)
    return outcome


def _collect(offer: OfferFold, before: _Before, outcome: Outcome, totals: Totals) -> None:
    if offer.key is None and offer.decided:
        offer.key = totals.next_key
        totals.next_key += 1
        outcome.new.append(offer)
    elif offer.key is not None and (offer.decided or offer.attached is not None):
        outcome.known.append(offer)
    if offer.decided:
        totals.gone += (offer.product_id is None) - (before.known and before.product_id is None)
        if before.product_id is not None:
            outcome.joined[before.product_id] -= 1
        if offer.product_id is not None:
            outcome.joined[offer.product_id] += 1
    totals.live += offer.live - before.live
    if offer.place is not None and (offer.attached is not None or not offer.live):
        outcome.stale.append(offer.place)
        offer.place = None
    if offer.key is not None and offer.attached is not None:
        offer.place = totals.next_place
        totals.next_place += 1
        outcome.attached.append((offer.key, offer.place, offer.attached))
    elif offer.key is not None and before.live and not offer.live:
        outcome.removed.append(offer.key)
    totals.pending += len(offer.pending) - len(before.pending)
    outcome.held.extend(row for version, row in offer.pending.items() if row is not before.pending.get(version))
    outcome.unheld.extend((offer.offer_id, version) for version in before.pending.keys() - offer.pending.keys())
