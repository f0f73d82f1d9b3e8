"""The process in which one index runs: it does what it is asked, and measures how long that takes."""

from __future__ import annotations

import ctypes
import gc
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from benchmarks.index.cases import K
from benchmarks.index.duel.course import BATCH, Course
from benchmarks.index.rivals.makers import make
from benchmarks.index.rivals.rival import Keys, Rival, read_rows
from matcher.clock import SystemClock


class Facts(Struct, frozen=True):
    """What an index says of itself; see `Rival`."""

    title: str
    version: str
    settings: str
    branded: bool
    changes: bool
    efforts: tuple[int, ...]
    effort: int


class Memory(Struct, frozen=True):
    """Bytes that the processes of an index hold: of their own, and of files that are mapped (page cache)."""

    own: int
    mapped: int


class Seat:
    """One index on the course. Times are in seconds, and of the index alone."""

    def __init__(self, course: Course, name: str, folder: Path, progress: Any) -> None:
        self._course = course
        self._rival: Rival = make(name, folder)
        self._progress = progress
        self._clock = SystemClock()

    def facts(self) -> Facts:
        """Before it is filled."""
        return Facts(**{name: getattr(self._rival, name) for name in Facts.__struct_fields__})

    def build(self) -> float:
        """Fill it."""
        begun = self._clock.monotonic()
        self._rival.build(self._course.offers(self._progress))
        return self._clock.monotonic() - begun

    def use_effort(self, effort: int) -> None:
        """From here on."""
        self._rival.effort = effort

    def search(self, queries: Keys, branded: bool, seconds: float) -> tuple[Keys, float]:
        """Ask these queries (numbers) batch by batch, until all are asked or the time is over: what was found,
        i64[n, K], and how long it took."""
        begun, found = self._clock.monotonic(), []
        for start in range(0, len(queries), BATCH):
            part = queries[start : start + BATCH]
            brands = self._course.query_brands[part] if branded else None
            found.append(self._rival.search(self._course.queries[part], K, brands))
            if self._clock.monotonic() - begun > seconds:
                break
        return np.concatenate(found), self._clock.monotonic() - begun

    def replace(self, number: int) -> float:
        """One large batch."""
        return self._upsert(self._course.large[0][number], self._course.large[1][number])

    def mixed(self, number: int) -> tuple[float, float, float]:
        """A batch of searches, one of upserts, one of searches, one of removals: how long searches, upserts and
        removals took."""
        course = self._course
        asked = np.arange(BATCH) + (2 * BATCH * number) % (len(course.queries) - 2 * BATCH)
        _, first = self.search(asked, False, np.inf)
        upserts = self._upsert(course.mixed[0][number], course.mixed[1][number])
        _, second = self.search(asked + BATCH, False, np.inf)
        begun = self._clock.monotonic()
        self._rival.remove(course.gone[number])
        return first + second, upserts, self._clock.monotonic() - begun

    def memory(self) -> Memory | None:
        """What is held now, after what is not in use was given back; None where it cannot be seen."""
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        found = [_resident(process) for process in self._rival.processes()]
        return Memory(sum(one.own for one in found), sum(one.mapped for one in found)) if found else None

    def close(self) -> None:
        """End it."""
        self._rival.close()

    def _upsert(self, keys: Keys, rows: Keys) -> float:
        vectors, brands = read_rows(self._course.file, rows), self._course.brands[rows]
        begun = self._clock.monotonic()
        self._rival.upsert(keys, vectors, brands)
        return self._clock.monotonic() - begun


def serve(connection: Connection, course: Course, name: str, folder: Path, progress: Any) -> None:
    """What the process does: answer calls of the methods of `Seat` with (True, result) or (False, what went wrong),
    until the other side ends."""
    seat: Seat | None = None
    try:
        while True:
            method, arguments = connection.recv()
            try:
                if seat is None:
                    seat = Seat(course, name, folder, progress)
                answer = True, getattr(seat, method)(*arguments)
            except Exception as error:  # whatever an index of others raises is a fact about it
                answer = False, f"{type(error).__name__}: {error}"
            connection.send(answer)
    except EOFError:
        pass
    finally:
        if seat is not None:
            seat.close()


def _resident(process: int) -> Memory:
    text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    sizes = dict(line.split(":", 1) for line in text.splitlines() if line.startswith("Rss"))
    anonymous, file, shared = (int(sizes[name].split()[0]) * 1024 for name in ("RssAnon", "RssFile", "RssShmem"))
    return Memory(anonymous + shared, file)
