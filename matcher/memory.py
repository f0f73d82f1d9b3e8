"""The matcher's memory: SQLite state and index together, written only by applying what the log already holds."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from index_store.cells.recall import Probe
from index_store.cells.store import CellStore
from index_store.rows import Changes, DecisionRow, FeatureRow, Identity
from index_store.state import State
from index_store.store import IndexStore
from index_store.stream_time import StreamTime
from index_store.weaviate.settings import WeaviateSettings
from matcher.arrays import F32Array
from matcher.brands import READING, BrandTable
from matcher.deciding.arrivals import Arrival
from matcher.deciding.batch import Decided, Gone, Skipped, Step
from matcher.deciding.content import Content, keeps_raw, read_content
from matcher.deciding.known import Hit, Known
from matcher.deciding.steps import Expired
from matcher.events.decision import Decision
from matcher.events.offer import Offer
from matcher.events.place import Place, Version
from matcher.expiry import NEVER, Expiry
from matcher.index_choice import open_index
from matcher.model.bundle import Bundle
from matcher.model.projection import project
from matcher.recent import Recent
from matcher.rows import block_names, decision_row, feature_row
from matcher.searching import SPARE, SPARE_IN_CLUSTER, Searching

log = logging.getLogger(__name__)

#: Kafka times, in milliseconds since 1970, of the ends of what is applied: see `index_store.rows.Changes`.
Times = Mapping[tuple[str, int], int]
NO_TIMES: Times = {}

#: Names of brands without a live offer that a start keeps in any case (docs/decisions/0030-forgotten-brands.md).
MOST_UNUSED = 1_000


class Published(Struct, frozen=True, kw_only=True):
    """One record of `matches`: a decision, or None and the version at which the offer was gone."""

    offer_id: str
    version: Version
    decision: Decision | None
    time_ms: int


class Memory:
    """Implements `matcher.deciding.known.Memory` over a state file and an index that is loaded from it.

    One thread applies, another may ask meanwhile: it is told the truth of all offers but those being applied, which may
    be as before, as after or missing (`matcher.deciding.overlay.Overlay` knows them better).
    """

    def __init__(
        self,
        folder: Path,
        bundle: Bundle,
        partition: int,
        topics: Sequence[str],
        partitions: int,
        *,
        weaviate: WeaviateSettings | None = None,
        new_cells: bool = False,
        on_waiting: Callable[[str], None] = lambda _: None,
        expiry: Expiry = NEVER,
        outdated: Callable[[State], str | None] = lambda _: None,
    ) -> None:
        """Opens (or creates) the state of one partition and loads the index. Raises `index_store.errors.StateError`.

        The file lies in a folder named after the bundle, so that a new bundle starts from the log, beside the old one.
        The index is in memory, or in the cluster that `weaviate` names: see `matcher.index_choice.open_index`, also for
        `on_waiting`. `outdated` says why a state cannot be brought up to date by following the log; such a one starts
        anew.
        """
        identity = Identity(
            bundle=bundle.fingerprint,
            dim=bundle.dim,
            partition=partition,
            topics=tuple(topics),
            partitions=partitions,
            raw_features=keeps_raw(bundle),
            blocks=READING if bundle.search.brand_blocks else 0,
        )
        self._bundle = bundle
        self._recent = Recent()
        self._expiry = expiry
        path = folder / bundle.fingerprint / f"partition-{partition}.sqlite"
        self._state = State(path, identity)
        try:
            if (why := outdated(self._state)) is not None:
                log.warning("state %s is discarded and built anew from the log: %s", path, why)
                self._state.discard()
                self._state = State(path, identity)
            self._time = self._state.stream_time()
            self._brands = self._brand_table() if bundle.search.brand_blocks else None
            self._index, self.loaded = open_index(
                self._state, path, bundle, partition, weaviate, new_cells=new_cells, on_waiting=on_waiting
            )
        except BaseException:
            self._state.close()
            raise
        spare = SPARE if weaviate is None else SPARE_IN_CLUSTER
        self._searching = Searching(self._state, self._index, self._brands, spare=spare)

    def _brand_table(self) -> BrandTable:
        if dropped := self._state.drop_unused_blocks(MOST_UNUSED):
            log.info("forgot %d names of brands that no live offer has", dropped)
        return BrandTable(self._state.block_names())

    def versions(self, offer_ids: Sequence[str]) -> Mapping[str, Version]:
        rows = self._state.ledger(list(dict.fromkeys(offer_ids)))
        return {offer_id: Version(*row.version) for offer_id, row in rows.items()}

    def products(self, offer_ids: Sequence[str]) -> Mapping[str, str]:
        rows = self._state.ledger(list(dict.fromkeys(offer_ids)))
        return {offer_id: row.product_id for offer_id, row in rows.items() if row.product_id is not None}

    def nearest(
        self,
        vectors: F32Array,
        k: int,
        not_sellers: Sequence[str | None] | None,
        by_brand: Sequence[Offer] | None = None,
    ) -> Sequence[Sequence[Hit]]:
        return self._searching.nearest(vectors, k, not_sellers, by_brand)

    def contents(self, known: Sequence[Known]) -> Sequence[Content]:
        """What these offers say, in their order: what was read lately, else from the state."""
        held = [self._recent.get(one.offer_id, one.version) for one in known]
        stored = self._state.contents([one.key for one, content in zip(known, held, strict=True) if content is None])
        for place, one in enumerate(known):
            if held[place] is None:
                row = stored[one.key]
                content = read_content(_offers.decode(row.payload), row.image, row.text, self._bundle)
                self._recent.put(one.offer_id, one.version, content)
                held[place] = content
        return [content for content in held if content is not None]

    def positions(self) -> Mapping[tuple[str, int], int]:
        """The next offset of each (topic, partition) that this memory has not yet applied."""
        return self._state.positions()

    def expired(self, most: int) -> list[Expired]:
        """Up to `most` live offers that were not seen again in time, those first that were seen longest ago."""
        due = self._expiry.due(self._time)
        if due is None:
            return []
        own = self._state.identity
        place = (own.topics[0], own.partition)
        cause = Place(*place, self.positions()[place] - 1)
        return [
            Expired(offer_id=offer_id, version=Version(*version), cause=cause, time_ms=self._time.newest)
            for offer_id, version in self._state.not_seen_after(due, most)
        ]

    def apply_steps(
        self, steps: Sequence[Step], positions: Mapping[tuple[str, int], int], times: Times = NO_TIMES
    ) -> None:
        """Applies what this process decided, after its commit."""
        features, decisions, time = [], [], self._time
        for step in steps:
            if isinstance(step, Decided | Skipped) and step.arrival.features is not None:
                time = self._expiry.at(time, step.arrival.record.timestamp_ms)
                if step.vector is not None:
                    features.append(feature_row(step.arrival, step.vector, time, self._bundle))
            if isinstance(step, Decided | Gone):
                decision, arrival = step.decision if isinstance(step, Decided) else None, step.arrival
                time_ms = arrival.seen.time_ms or arrival.record.timestamp_ms
                decisions.append(decision_row(arrival.offer_id, arrival.version, decision, time_ms))
            elif isinstance(step, Expired):
                decisions.append(decision_row(step.offer_id, step.version, None, step.time_ms))
        read = [step.arrival for step in steps if isinstance(step, Decided | Skipped)]
        self._apply(read, features, decisions, positions=positions, times=times, time=time)
        for step in steps:
            if isinstance(step, Decided | Skipped) and step.content is not None:
                self._recent.put(step.arrival.offer_id, step.arrival.version, step.content)

    def follow(
        self,
        arrivals: Sequence[Arrival],
        published: Sequence[Published],
        positions: Mapping[tuple[str, int], int],
        times: Times = NO_TIMES,
    ) -> None:
        """Applies what is in the log, decided by whoever: inputs and decisions find each other by offer and version."""
        offered = [arrival for arrival in arrivals if arrival.features is not None]
        vectors = project([a.features for a in offered if a.features is not None], self._bundle)
        features, time = [], self._time
        for arrival, vector in zip(offered, vectors, strict=True):
            time = self._expiry.at(time, arrival.record.timestamp_ms)
            features.append(feature_row(arrival, vector, time, self._bundle))
        decisions = [decision_row(p.offer_id, p.version, p.decision, p.time_ms) for p in published]
        self._apply(offered, features, decisions, positions=positions, times=times, time=time)
        for arrival in offered:
            self._recent.forget(arrival.offer_id)

    def forget_undecided(self) -> int:
        """After all decisions there are on the features applied so far were followed: those without one get none.

        Their offer is gone, and Kafka keeps the null that said so no longer. Returns how many there were.
        """
        return self._state.drop_pending() if self._state.counts().pending else 0

    def _apply(
        self,
        read: Sequence[Arrival],
        features: Sequence[FeatureRow],
        decisions: Sequence[DecisionRow],
        *,
        positions: Mapping[tuple[str, int], int],
        times: Times,
        time: StreamTime,
    ) -> None:
        """`read`: the arrivals with features, also those of which nothing is kept."""
        applied = self._state.apply(
            Changes(
                features=features,
                decisions=decisions,
                positions=positions,
                times=times,
                stream_time=time,
                blocks=block_names(read, self._bundle),
            )
        )
        self._time = time
        if self._brands is not None:
            self._brands.learn(applied.new_blocks)
        if len(applied.removed):
            self._index.remove(applied.removed)
        if len(applied.keys):
            self._index.upsert(applied.keys, applied.vectors, applied.sellers, applied.blocks)

    def __len__(self) -> int:
        """How many offers are live."""
        return len(self._index)

    def index_bytes(self) -> int:
        return self._index.memory_bytes()

    def probe(self, queries: int, *, seed: int) -> Iterator[Probe | None]:
        """See `index_store.cells.store.CellStore.probe`; nothing where the index is not in this process."""
        return self._index.probe(queries, seed=seed) if isinstance(self._index, CellStore) else iter(())

    def state_seconds(self) -> float:
        """Seconds spent with the state file since it was opened."""
        return self._state.busy_seconds

    def stores(self) -> tuple[State, IndexStore]:
        """State and index, for those who check one against the other."""
        return self._state, self._index

    def close(self) -> None:
        self._index.close()
        self._state.close()


_offers = msgspec.json.Decoder(Offer)
