"""The rules by which records of two logs become the state of an offer, free of any database.

The state after any prefix of `offer-features` and any prefix of `matches` depends on these two prefixes
alone, not on how they were interleaved or cut into batches:

- the ledger holds the newest decision; of several on one version the later one in the log;
- gone is final for a version: only a newer version brings an offer back;
- the vector is the last feature record of exactly the ledger's version, if that is alive;
- features newer than the ledger are held until a decision on their version comes, or a newer one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from index_store.errors import VersionsNotComparable
from index_store.rows import DecisionRow, FeatureRow, Version


@dataclass(slots=True)
class OfferFold:
    """One offer while records are applied to it.

    key: None as long as the ledger does not know the offer
    place: where vector and contents are stored, None if nowhere
    indexed: they still count
    attached: features that replace the stored vector
    pending: features newer than the ledger
    """

    offer_id: str
    key: int | None = None
    version: Version | None = None
    product_id: str | None = None
    outcome: str = ""
    updated_at: int = 0
    place: int | None = None
    indexed: bool = False
    attached: FeatureRow | None = None
    pending: dict[Version, FeatureRow] = field(default_factory=dict)
    decided: bool = False

    def decide(self, decision: DecisionRow) -> bool:
        """Apply a decision; False if it is ignored. Raises `VersionsNotComparable`."""
        self._check_partition(decision.version)
        newer = self.version is None or decision.version > self.version
        if not newer and (decision.version != self.version or self.product_id is None):
            return False
        self.version = decision.version
        self.product_id = decision.product_id
        self.outcome = decision.outcome
        self.updated_at = decision.updated_at
        self.decided = True
        if newer or decision.product_id is None:
            self.indexed = False
            self.attached = None
        if newer:
            if decision.product_id is not None:
                self.attached = self.pending.get(decision.version)
            self.pending = {version: row for version, row in self.pending.items() if version > decision.version}
        return True

    def add_features(self, features: FeatureRow) -> bool:
        """Attach or hold a feature record; False if it is ignored. Raises `VersionsNotComparable`."""
        self._check_partition(features.version)
        if self.version is None or features.version > self.version:
            self.pending[features.version] = features
            return True
        if features.version < self.version or self.product_id is None:
            return False
        self.attached = features
        return True

    @property
    def live(self) -> bool:
        """Belongs into the index: alive, and with the vector of its version."""
        return self.indexed or self.attached is not None

    def _check_partition(self, version: Version) -> None:
        known = self.version if self.version is not None else next(iter(self.pending), None)
        if known is not None and known.partition != version.partition:
            raise VersionsNotComparable(
                f"offer {self.offer_id!r} has versions in partitions {known.partition} and {version.partition} "
                "of the offers topic, so that neither is the later one: its number of partitions or its "
                "partitioner was changed; restore it, or start over with new topics and a new state"
            )
