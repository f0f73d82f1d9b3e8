"""From what arrived and what was decided to the rows that the state keeps of it."""

from collections.abc import Sequence

import msgspec

from index_store.rows import DecisionRow, FeatureRow
from index_store.rows import Version as RowVersion
from index_store.stream_time import StreamTime
from matcher.arrays import F32Array
from matcher.brands import block_name
from matcher.deciding.arrivals import Arrival
from matcher.deciding.content import keeps_raw
from matcher.events.decision import Decision
from matcher.events.place import Version
from matcher.model.bundle import Bundle


def feature_row(arrival: Arrival, vector: F32Array, time: StreamTime, bundle: Bundle) -> FeatureRow:
    """Of an arrival with features, at this time of the stream; `vector` f32[dim] is its embedding."""
    features = arrival.features
    assert features is not None
    raw = keeps_raw(bundle)
    return FeatureRow(
        offer_id=arrival.offer_id,
        version=row_version(arrival.version),
        seller_id=arrival.seller_id,
        payload=msgspec.json.encode(features.offer),
        vector=vector,
        image=features.image if raw else None,
        text=features.text if raw else None,
        seen_at=time.passed,
        block=block_name(features.offer) if bundle.search.brand_blocks else None,
    )


def decision_row(offer_id: str, version: Version, decision: Decision | None, time_ms: int) -> DecisionRow:
    """What the ledger is told; None: the offer is gone at this version. `time_ms`: event time."""
    return DecisionRow(
        offer_id=offer_id,
        version=row_version(version),
        product_id=decision.product_id if decision else None,
        outcome=decision.outcome if decision else "gone",
        updated_at=time_ms,
    )


def block_names(arrivals: Sequence[Arrival], bundle: Bundle) -> list[str]:
    """The blocks of all these, in their order; none where the bundle has no blocks."""
    if not bundle.search.brand_blocks:
        return []
    names = [block_name(arrival.features.offer) for arrival in arrivals if arrival.features is not None]
    return [name for name in names if name is not None]


def row_version(version: Version) -> RowVersion:
    """The same as the state writes it."""
    return RowVersion(version.partition, version.offset)
