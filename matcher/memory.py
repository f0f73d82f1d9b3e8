"""The matcher's memory: SQLite state and index together, written only by applying what the log already holds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from index_store.cells.store import CellStore
from index_store.rows import Changes, DecisionRow, FeatureRow, Identity
from index_store.rows import Version as RowVersion
from index_store.state import State
from index_store.store import NO_BLOCK
from matcher.arrays import F32Array, I32Array, I64Array
from matcher.deciding.arrivals import Arrival
from matcher.deciding.batch import Decided, Gone, Skipped, Step
from matcher.deciding.known import Known, exact_scores
from matcher.events.decision import Decision
from matcher.events.offer import Offer
from matcher.events.place import Version
from matcher.model.bundle import Bundle
from matcher.model.projection import project


class Published(Struct, frozen=True, kw_only=True):
    """One record of `matches`: a decision, or None and the version at which the offer was gone."""

    offer_id: str
    version: Version
    decision: Decision | None
    time_ms: int


class Memory:
    """Implements `matcher.deciding.known.Memory` over a state file and an index that is loaded from it."""

    def __init__(
        self,
        folder: Path,
        bundle: Bundle,
        partition: int,
        topics: Sequence[str],
        partitions: int,
        *,
        new_cells: bool = False,
    ) -> None:
        """Opens (or creates) the state of one partition and loads the index. Raises `index_store.errors.StateError`.

        The file lies in a folder named after the bundle, so that a new bundle starts from the log, beside the old one.
        The cells of the last run are used again, unless `new_cells`.
        """
        identity = Identity(
            bundle=bundle.fingerprint, dim=bundle.dim, partition=partition, topics=tuple(topics), partitions=partitions
        )
        self._bundle = bundle
        path = folder / bundle.fingerprint / f"partition-{partition}.sqlite"
        self._state = State(path, identity)
        try:
            self._index = CellStore(bundle.dim, path.with_suffix(".index"))
            self.loaded = self._index.load(
                (
                    (keys, vectors, sellers, np.full(len(keys), NO_BLOCK, np.int32))
                    for keys, vectors, sellers in self._state.live_vectors()
                ),
                anew=new_cells,
            )
        except BaseException:
            self._state.close()
            raise

    def versions(self, offer_ids: Sequence[str]) -> Mapping[str, Version]:
        rows = self._state.ledger(list(dict.fromkeys(offer_ids)))
        return {offer_id: Version(*row.version) for offer_id, row in rows.items()}

    def products(self, offer_ids: Sequence[str]) -> Mapping[str, str]:
        rows = self._state.ledger(list(dict.fromkeys(offer_ids)))
        return {offer_id: row.product_id for offer_id, row in rows.items() if row.product_id is not None}

    def nearest(self, vectors: F32Array, k: int, not_sellers: Sequence[str | None] | None) -> Sequence[Sequence[Known]]:
        codes = None
        if not_sellers is not None:
            codes = self._state.seller_codes(not_sellers, create=False)
        rows = self._nearest_keys(vectors, k, codes)
        offers = self._known(np.unique(np.concatenate(rows)).tolist())
        found = [[offers[key] for key in row.tolist() if key in offers] for row in rows]
        return [_best(vector, known, k) for vector, known in zip(vectors, found, strict=True)]

    def _nearest_keys(self, vectors: F32Array, k: int, codes: I32Array | None) -> list[I64Array]:
        """For each embedding the keys of at least the k nearest, and of all whose score equals that of the k-th."""
        rows: list[I64Array] = [np.empty(0, np.int64)] * len(vectors)
        open_, fetch = np.arange(len(vectors)), k + SPARE
        while len(open_):
            hits = self._index.search(vectors[open_], fetch, not_sellers=None if codes is None else codes[open_])
            for row, keys in zip(open_.tolist(), hits.keys, strict=True):
                rows[row] = keys[keys >= 0]
            tied = (hits.keys[:, -1] >= 0) & (hits.scores[:, -1] == hits.scores[:, k - 1])
            open_, fetch = open_[tied], 4 * fetch
        return rows

    def _known(self, keys: Sequence[int]) -> dict[int, Known]:
        if not keys:
            return {}
        vectors = self._index.reconstruct(np.array(keys, np.int64))
        stored = self._state.by_keys(keys)
        return {
            key: Known(
                offer_id=stored[key].offer_id,
                version=Version(*stored[key].version),
                product_id=stored[key].product_id or "",
                offer=_offers.decode(stored[key].payload or b""),
                vector=vector,
            )
            for key, vector in zip(keys, vectors, strict=True)
        }

    def positions(self) -> Mapping[tuple[str, int], int]:
        """The next offset of each (topic, partition) that this memory has not yet applied."""
        return self._state.positions()

    def apply_steps(self, steps: Sequence[Step], positions: Mapping[tuple[str, int], int]) -> None:
        """Applies what this process decided, after its commit."""
        features, decisions = [], []
        for step in steps:
            if isinstance(step, Decided | Skipped) and step.vector is not None:
                features.append(_feature_row(step.arrival, step.vector))
            if isinstance(step, Decided):
                decisions.append(_decision_row(step.arrival, step.decision))
            elif isinstance(step, Gone):
                decisions.append(_decision_row(step.arrival, None))
        self._apply(Changes(features=features, decisions=decisions, positions=positions))

    def follow(
        self, arrivals: Sequence[Arrival], published: Sequence[Published], positions: Mapping[tuple[str, int], int]
    ) -> None:
        """Applies what is in the log, decided by whoever: inputs and decisions find each other by offer and version."""
        offered = [arrival for arrival in arrivals if arrival.features is not None]
        vectors = project([a.features for a in offered if a.features is not None], self._bundle)
        self._apply(
            Changes(
                features=[_feature_row(a, vector) for a, vector in zip(offered, vectors, strict=True)],
                decisions=[_published_row(p) for p in published],
                positions=positions,
            )
        )

    def _apply(self, changes: Changes) -> None:
        applied = self._state.apply(changes)
        if len(applied.removed):
            self._index.remove(applied.removed)
        if len(applied.keys):
            self._index.upsert(applied.keys, applied.vectors, applied.sellers)

    def __len__(self) -> int:
        """How many offers are live."""
        return len(self._index)

    def index_bytes(self) -> int:
        return self._index.memory_bytes()

    def stores(self) -> tuple[State, CellStore]:
        """State and index, for those who check one against the other."""
        return self._state, self._index

    def close(self) -> None:
        self._index.close()
        self._state.close()


#: Fetched beyond the k nearest, so that equal scores at the edge seldom need a second search.
SPARE = 8
_offers = msgspec.json.Decoder(Offer)


def _best(vector: F32Array, known: Sequence[Known], k: int) -> list[Known]:
    """The k best by exact score, of equal ones the older version: the index orders them by key, which a rebuild deals
    anew."""
    scored = zip(exact_scores(vector.astype(np.float64), known), known, strict=True)
    return [known for _, known in sorted(scored, key=lambda pair: (-pair[0], pair[1].version))[:k]]


def _feature_row(arrival: Arrival, vector: F32Array) -> FeatureRow:
    assert arrival.features is not None
    return FeatureRow(
        offer_id=arrival.offer_id,
        version=_row_version(arrival.version),
        seller_id=arrival.seller_id,
        payload=msgspec.json.encode(arrival.features.offer),
        vector=vector,
    )


def _decision_row(arrival: Arrival, decision: Decision | None) -> DecisionRow:
    return DecisionRow(
        offer_id=arrival.offer_id,
        version=_row_version(arrival.version),
        product_id=decision.product_id if decision else None,
        outcome=decision.outcome if decision else "gone",
        updated_at=arrival.seen.time_ms or arrival.record.timestamp_ms,
    )


def _published_row(published: Published) -> DecisionRow:
    decision = published.decision
    return DecisionRow(
        offer_id=published.offer_id,
        version=_row_version(published.version),
        product_id=decision.product_id if decision else None,
        outcome=decision.outcome if decision else "gone",
        updated_at=published.time_ms,
    )


def _row_version(version: Version) -> RowVersion:
    return RowVersion(version.partition, version.offset)
