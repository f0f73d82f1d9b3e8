"""What a duel measures, as data; and the ledger that keeps it, so that a run goes on where the last one ended."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.results import Result


class Point(Struct, frozen=True):
    """One effort: the recall@10 it gave on the sample, and searches a second."""

    effort: int
    recall: float
    rate: float


class Figures(Struct, frozen=True, kw_only=True):
    """One index in one duel. Rates are per second; None: it cannot, or there was no time; `remarks` say which.

    effort: what was chosen; curve: what there was to choose from
    build: offers; search_all, search_with_brand: queries, in batches of 64; upsert: offers in batches of 1,000;
    upsert_small: in batches of 64, within the mixed load; mixed: operations of all kinds
    recall_…: recall@10 of the same searches; …_changed: after the changes
    bytes_per_offer: anonymous memory of its processes, less that before it was filled; mapped_bytes_per_offer: pages of
        mapped files
    """

    title: str
    version: str
    settings: str
    effort: int
    curve: tuple[Point, ...] = ()
    build: float | None = None
    search_all: float | None = None
    recall_all: float | None = None
    search_with_brand: float | None = None
    recall_with_brand: float | None = None
    upsert: float | None = None
    upsert_small: float | None = None
    mixed: float | None = None
    recall_all_changed: float | None = None
    recall_with_brand_changed: float | None = None
    bytes_per_offer: float | None = None
    mapped_bytes_per_offer: float | None = None
    bytes_per_offer_changed: float | None = None
    remarks: tuple[str, ...] = ()


class Duel(Struct, frozen=True, kw_only=True, tag="duel"):
    """Ours and one reference at one size. not_run: why there are no figures of the reference, where there are none."""

    size: int
    reference: str
    machine: str
    ours: Figures | None = None
    theirs: Figures | None = None
    not_run: str = ""


class Alone(Struct, frozen=True, kw_only=True, tag="alone"):
    """The results of one size that need no other process: ours beside FAISS Flat."""

    size: int
    machine: str
    results: tuple[Result, ...]


class LedgerMismatch(ValueError):
    """A ledger is not one, or of another machine; the message says what was expected."""


class Ledger:
    """What has been measured, a line of JSON for each part, written as soon as the part is done."""

    def __init__(self, file: Path | None, machine: str) -> None:
        """file: what it holds is not measured again; None: nothing is kept. Raises `LedgerMismatch`, `OSError`."""
        self._file = file
        self._parts: list[Duel | Alone] = []
        if file is not None and file.exists():
            try:
                decoder = msgspec.json.Decoder(Duel | Alone)
                self._parts = [decoder.decode(line) for line in file.read_bytes().splitlines()]
            except msgspec.MsgspecError as error:
                raise LedgerMismatch(f"{file} must hold what `offermatch bench index` has written: {error}") from error
            if other := {part.machine for part in self._parts} - {machine}:
                raise LedgerMismatch(
                    f"{file} is of another machine ({other.pop()}); this is {machine}: name another file"
                )

    def alone(self, size: int) -> Alone | None:
        """The results of this size, if they are there."""
        return next((part for part in self._parts if isinstance(part, Alone) and part.size == size), None)

    def duel(self, size: int, reference: str) -> Duel | None:
        """The duel with this reference at this size, if it took place."""
        duels = (part for part in self._parts if isinstance(part, Duel))
        return next((part for part in duels if (part.size, part.reference) == (size, reference)), None)

    def add(self, part: Duel | Alone) -> None:
        """Keep it. Raises `OSError`."""
        self._parts.append(part)
        if self._file is not None:
            with self._file.open("ab") as file:
                file.write(msgspec.json.encode(part) + b"\n")
