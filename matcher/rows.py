"""Decisions as rows of the state."""

from index_store.rows import DecisionRow
from index_store.rows import Version as RowVersion
from matcher.events.decision import Decision
from matcher.events.place import Version


def decision_row(offer_id: str, version: Version, decision: Decision | None, time_ms: int) -> DecisionRow:
    """What the ledger is told; None: the offer is gone at this version. `time_ms`: event time."""
    return DecisionRow(
        offer_id=offer_id,
        version=row_version(version),
        product_id=decision.product_id if decision else None,
        outcome=decision.outcome if decision else "gone",
        updated_at=time_ms,
    )


def row_version(version: Version) -> RowVersion:
    """The same as the state writes it."""
    return RowVersion(version.partition, version.offset)
