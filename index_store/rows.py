"""What goes into a matcher's state and what comes out of it, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from index_store.store import BlockCodes, Keys, SellerCodes, Vectors
from index_store.stream_time import StreamTime


class Version(NamedTuple):
    """The version of an offer: the place of its record in topic `offers`.

    Versions of one offer are ordered by offset. They share a partition, because they share a key; two from
    different partitions mean that the number of partitions was changed, and raise `VersionsNotComparable`.
    """

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Identity:
    """What a state is built for; none of it can change under it.

    bundle: fingerprint of the model bundle that projects the vectors
    dim: dimensions of a vector
    partition: of `offer-features`, `verdicts` and `matches`
    topics: names of the topics that the state is a fold over
    partitions: how many partitions these topics have
    raw_features: whether the raw features that vectors were projected from are kept beside them
    blocks: by which rule offers are put into blocks, a number that changes with the rule; 0: there are none
    """

    bundle: str
    dim: int
    partition: int
    topics: tuple[str, ...]
    partitions: int = 1
    raw_features: bool = False
    blocks: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRow:
    """A record of `offer-features`, projected.

    seller_id: None (or empty) if the offer has none
    payload: the offer's fields, opaque here
    vector: f32[dim], already rounded to fp16, so that a restart finds what the running index held
    image, text: raw features where the state keeps them, opaque here; None where the offer lacks them
    seen_at: stream time of the record, milliseconds (`StreamTime.passed`)
    block: name of the offer's block; None where it has none, and in a state without blocks
    """

    offer_id: str
    version: Version
    seller_id: str | None
    payload: bytes
    vector: npt.NDArray[np.float32]
    image: bytes | None = None
    text: bytes | None = None
    seen_at: int = 0
    block: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A record of `matches`: the product an offer version belongs to, None when the offer is gone.

    updated_at: event time, milliseconds since 1970
    """

    offer_id: str
    version: Version
    product_id: str | None
    outcome: str
    updated_at: int


@dataclass(frozen=True, slots=True)
class Changes:
    """A stretch of the logs, each sequence in the order of its log; `positions` says where it ends:
    (topic, partition) -> next offset. `times`: of those whose end has a time, Kafka's, in milliseconds since 1970:
    every record behind the end was written later. `stream_time`: as it is then, None if it is as before.

    blocks: names of blocks in the order in which the log has them, those of features that are not applied included:
        then a block has the same number wherever the log is cut into changes
    """

    features: Sequence[FeatureRow] = ()
    decisions: Sequence[DecisionRow] = ()
    positions: Mapping[tuple[str, int], int] = field(default_factory=dict)
    times: Mapping[tuple[str, int], int] = field(default_factory=dict)
    stream_time: StreamTime | None = None
    blocks: Sequence[str] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """What an index has to do to agree with the state again, and what became of the records.

    keys i64[n], vectors f32[n, dim], sellers i32[n], blocks i32[n]: entries to upsert; removed i64[m]: entries to
        remove
    new_blocks: names of blocks that are new, with their numbers, by rising number
    ignored_decisions, ignored_features: records older than what the state holds (or about a gone version)
    held_features: records that wait for the decision on their version
    """

    keys: Keys
    vectors: Vectors
    sellers: SellerCodes
    blocks: BlockCodes
    new_blocks: Mapping[str, int]
    removed: Keys
    ignored_decisions: int
    ignored_features: int
    held_features: int


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """The last decision on an offer; `product_id` is None when it is gone."""

    key: int
    version: Version
    product_id: str | None
    outcome: str


class OfferRow(NamedTuple):
    """Which offer a key stands for, and where it belongs; `product_id` is None when it is gone."""

    offer_id: str
    product_id: str | None
    version: Version


@dataclass(frozen=True, slots=True)
class StoredOffer:
    """An offer as people see it; `payload` is None until its features were applied."""

    offer_id: str
    product_id: str | None
    version: Version
    seller_id: str | None
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class StoredContent:
    """What a live offer says; see `FeatureRow`."""

    payload: bytes
    image: bytes | None
    text: bytes | None


@dataclass(frozen=True, slots=True)
class Counts:
    """Sizes of a state.

    offers: ever decided; of these live: searchable; waiting: alive, but their features are not applied yet;
    gone: deleted (kept so that older versions are recognised). products: with members. pending: features
    that wait for their decision.
    """

    offers: int
    live: int
    gone: int
    products: int
    pending: int

    @property
    def waiting(self) -> int:
        """Offers that are alive while their features are not applied yet."""
        return self.offers - self.live - self.gone
