"""What the auditor is given: everything there is to know after the processes have ended."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from matcher.events.envelope import Outgoing, Record, Seen
from matcher.events.place import Version

Held = tuple[Version, str | None]
"""The last decided version of an offer and its product; None: the offer is gone."""


#: What may follow a version's one decision: a person's verdict, and the time after which it is not seen any more.
LATER = ("offer.reassigned", "offer.expired")


def is_first(record: Record) -> bool:
    """Whether a record of `matches` is the one ending that every version has."""
    return Seen.of(record.headers).type not in LATER


class Names(Struct, frozen=True, kw_only=True):
    """The names of the topics."""

    offers: str
    features: str
    matches: str
    needs_review: str
    dead_letters: str


class StateCopy(Struct, frozen=True, kw_only=True):
    """What one matcher's state file holds. `live`: offer → its embedding's bytes, of what can be found.

    `problems`: what `index verify` says of state and index. `applied`: topic → the next offset of partition 0.
    """

    name: str
    problems: tuple[str, ...]
    offers: Mapping[str, Held]
    live: Mapping[str, bytes]
    applied: Mapping[str, int]


class Ends(Struct, frozen=True, kw_only=True):
    """Of one partition: the offset after the last record that is committed, and after the last one of all."""

    committed: int
    written: int


class Evidence(Struct, frozen=True, kw_only=True):
    """Everything on the topics as a `read_committed` reader sees it, each partition in its order, and the rest.

    `encoder_offsets`, `matcher_offsets`: partition → what the group has committed. `accepted`: topic → how many records
    Kafka has acknowledged to those who sent them (sellers; to `features`: strangers). `unsure`: how many more may be
    there, since they were sent and never answered for. `calm`: what one undisturbed matcher publishes on `matches` and
    `needs-review` when it reads the same features; None where that was not tried. `supersedes`: whether encoders may
    leave out a version when a newer one of the offer is there.
    """

    names: Names
    offers: Sequence[Record]
    features: Sequence[Record]
    matches: Sequence[Record]
    needs_review: Sequence[Record]
    dead_letters: Sequence[Record]
    ends: Mapping[tuple[str, int], Ends]
    encoder_offsets: Mapping[int, int | None]
    matcher_offsets: Mapping[int, int | None]
    states: Sequence[StateCopy]
    accepted: Mapping[str, int]
    unsure: Mapping[str, int] = {}
    calm: Sequence[Outgoing] | None = None
    calm_state: StateCopy | None = None
    supersedes: bool = False
