"""What an index must be able to do to be compared, and the offers that it is filled with."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.index.feed import DIM

Keys = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
Brands = npt.NDArray[np.int32]
Chunk = tuple[Keys, Vectors, Brands]
"""keys i64[n], vectors f32[n, DIM], brands i32[n], NO_BLOCK for the brandless"""

LINKS: Final = 16
BREADTH: Final = 100
"""M and efConstruction of every graph."""

EFFORTS: Final = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""efSearch of every graph, from little to much."""

CHUNK: Final = 8192


class Rival(Protocol):
    """An index of vectors by inner product. Keys are known, or have never been there before.

    title: what people call it; settings: what it was told, for the table; version: of the package or server
    branded: whether a search can be kept to one brand and the brandless; changes: whether it can replace and remove
    efforts: what `effort` may be, from little to much, and from fast to slow; () if there is nothing to choose
    """

    title: str
    settings: str
    version: str
    branded: bool
    changes: bool
    efforts: tuple[int, ...]
    effort: int

    def build(self, offers: Offers) -> None:
        """Fill the empty index."""
        ...

    def search(self, queries: Vectors, k: int, brands: Brands | None) -> Keys:
        """i64[n, k]: the keys found for each of f32[n, DIM], best first, padded with -1; brands i32[n]: only those of
        this brand and the brandless."""
        ...

    def upsert(self, keys: Keys, vectors: Vectors, brands: Brands) -> None:
        """Add offers, or replace those with the same key; the next search sees them."""
        ...

    def remove(self, keys: Keys) -> None:
        """Without these offers; the next search does not find them."""
        ...

    def processes(self) -> tuple[int, ...]:
        """The ids of the processes that hold the index; () if they are out of reach."""
        ...

    def close(self) -> None:
        """End what was started."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Offers:
    """The first `count` rows of a file of vectors (f16[rows, DIM], as they lie in memory) with their brands i32[rows];
    a row's key is its number.

    progress: told how many offers were handed out
    """

    file: Path
    brands: Brands
    count: int
    progress: Callable[[int], None]

    def chunks(self) -> Iterator[Chunk]:
        """All offers, some thousand at a time; read rather than mapped, so that they do not count as memory."""
        for start in range(0, self.count, CHUNK):
            rows = np.arange(start, min(start + CHUNK, self.count))
            yield rows, read_rows(self.file, rows), self.brands[rows]
            self.progress(int(rows[-1]) + 1)

    def sample(self, rows: int) -> Vectors:
        """f32[rows, DIM], or fewer if there are no more: something to train on."""
        return read_rows(self.file, np.arange(min(rows, self.count)))


def read_rows(file: Path, rows: Keys) -> Vectors:
    """f32[n, DIM]: rows of a file of vectors that follow one another."""
    if not len(rows):
        return np.empty((0, DIM), np.float32)
    offset = int(rows[0]) * DIM * 2
    return np.fromfile(file, np.float16, len(rows) * DIM, offset=offset).reshape(-1, DIM).astype(np.float32)


def package(name: str) -> Any:
    """A package of the extra `bench`, imported when it is needed."""
    return importlib.import_module(name)


def threads() -> int:
    """How many each index may use: as many as there are cores, or OMP_NUM_THREADS, which FAISS goes by."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


def padded(found: list[list[int]], k: int) -> Keys:
    """i64[n, k] of lists that may be shorter."""
    keys: Keys = np.full((len(found), k), -1, np.int64)
    for row, each in zip(keys, found, strict=True):
        row[: len(each)] = each[:k]
    return keys
