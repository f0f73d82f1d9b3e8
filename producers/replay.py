"""Replaying an offer table: its rows become events on `offers`, and what was wrong with it is counted and named."""

from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from msgspec import Struct

from matcher.clock import Clock
from producers.feed import REPLAYED, OfferToSend, Sink, feed
from producers.plain import Refusal
from producers.tables import BadRow, TableRow

#: How many malformed rows are kept in full; all are counted.
MALFORMED_KEPT = 20


class CountingSink(Sink, Protocol):
    """A sink that knows what Kafka took; `producers.plain.Publisher` is one."""

    delivered: int
    refused: int
    refusals: tuple[Refusal, ...]


class Progress(Struct, frozen=True):
    """How far a replay is: offers handed to Kafka, and rows that could not be."""

    sent: int
    malformed: int


class ReplaySummary(Struct, frozen=True, kw_only=True):
    """What became of a table. `sent` offers are in Kafka, acknowledged; `refused` ones it did not take.

    `updates` of the rows have an offer_id that an earlier row has: later versions of the same offer. `photo_files`
    counts photos sent as `file:` URLs. `malformed_rows` and `refusals` are the first of them.
    """

    sent: int
    updates: int
    malformed: int
    malformed_rows: tuple[BadRow, ...]
    refused: int
    refusals: tuple[Refusal, ...]
    photo_files: int
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every row became an event."""
        return not self.malformed and not self.refused


def replay(
    rows: Iterable[TableRow | BadRow],
    publisher: CountingSink,
    on_progress: Callable[[Progress], None],
    *,
    name: str,
    topic: str,
    clock: Clock,
    rate: float | None = None,
    limit: int | None = None,
) -> ReplaySummary:
    """Sends the offers of a table (at most `rate` a second, the first `limit`) and says what became of them.

    `name` is the table's: with the line it makes the event's id, so that a repeated replay repeats the ids. Raises what
    `feed` and the publisher raise.
    """
    tally = _Tally(name)
    delivered, refused, known = publisher.delivered, publisher.refused, len(publisher.refusals)
    begun = clock.monotonic()
    feed(
        islice(tally.good(rows), limit),
        publisher,
        topic=topic,
        source=REPLAYED,
        clock=clock,
        rate=rate,
        on_progress=lambda sent: on_progress(Progress(sent, tally.malformed)),
    )
    return ReplaySummary(
        sent=publisher.delivered - delivered,
        updates=tally.updates(),
        malformed=tally.malformed,
        malformed_rows=tuple(tally.first),
        refused=publisher.refused - refused,
        refusals=publisher.refusals[known:],
        photo_files=tally.photo_files,
        seconds=clock.monotonic() - begun,
    )


def file_root_hint(table: Path) -> str:
    """What to tell the user when the photos of `table` (its file) are sent as `file:` URLs."""
    return (
        f"the photos are files under {table.parent}: the encoder opens them only with "
        f"OFFERMATCH_PHOTOS_FILE_ROOT={table.parent} (or a folder above it), and on this machine"
    )


class _Tally:
    """Passes the good rows on and counts."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._keys = array("q")
        self.malformed = 0
        self.first: list[BadRow] = []
        self.photo_files = 0

    def good(self, rows: Iterable[TableRow | BadRow]) -> Iterator[OfferToSend]:
        for row in rows:
            if isinstance(row, BadRow):
                self.malformed += 1
                if len(self.first) < MALFORMED_KEPT:
                    self.first.append(row)
                continue
            self._keys.append(hash(row.key))
            self.photo_files += row.photo_files
            yield OfferToSend(key=row.key, value=row.value, event_id=f"{self._name}:{row.line}")

    def updates(self) -> int:
        """Rows whose offer_id came before. By 64-bit hashes, eight bytes a row: tables may have many millions."""
        return len(self._keys) - len(np.unique(np.asarray(self._keys)))
