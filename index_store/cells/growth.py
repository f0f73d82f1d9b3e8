"""From an exact index to cells, beside it and in small steps: until the cells are whole, the exact index answers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Final

from index_store.cells.balance import wanted_cells
from index_store.cells.codes import Quantiser
from index_store.cells.entries import EntryFiles
from index_store.cells.index import CellIndex
from index_store.cells.kmeans import kmeans_steps
from index_store.flat import FlatStore
from index_store.halves import Halves, to_halves
from index_store.store import BlockCodes, Keys, SellerCodes, Vectors

_STEP: Final = 512  # entries copied in one step
_STEPS_PER_ROW: Final = 1 / 128
_DONE: Final = object()


class Growth:
    """Builds cells from an exact index that goes on changing; what changes is told to both."""

    def __init__(self, flat: FlatStore, make_files: Callable[[], EntryFiles], seed: int) -> None:
        self._flat = flat
        self._make_files = make_files
        self._seed = seed
        self._index: CellIndex | None = None
        self._work = self._steps()

    def upsert(self, keys: Keys, vectors: Vectors, halves: Halves, sellers: SellerCodes, blocks: BlockCodes) -> None:
        """What the exact index was told."""
        if self._index is not None:
            self._index.upsert(keys, vectors, halves, sellers, blocks)

    def remove(self, keys: Keys) -> None:
        """What the exact index was told."""
        if self._index is not None:
            slots = self._index.entries.find(keys)
            self._index.remove(slots[slots >= 0])

    def step(self, rows: int) -> CellIndex | None:
        """Some work, after so many entries were written; the index once it holds all that the exact one does."""
        for _ in range(1 + int(rows * _STEPS_PER_ROW)):
            if next(self._work, _DONE) is _DONE:
                return self._index
        return None

    def close(self) -> None:
        """Give it up."""
        self._work.close()
        if self._index is not None:
            self._index.close()

    def _steps(self) -> Generator[None, None, None]:
        keys = self._flat.keys()
        _, sample, _, _ = self._flat.entries(keys)
        training = kmeans_steps(sample, wanted_cells(len(sample)), self._seed)
        while (centroids := next(training)) is None:
            yield
        quantiser = Quantiser.of(sample)
        del sample
        index = CellIndex(self._make_files(), centroids, quantiser)
        self._index = index
        keys = self._flat.keys()
        for start in range(0, len(keys), _STEP):
            part = keys[start : start + _STEP]
            found, vectors, sellers, blocks = self._flat.entries(part[index.entries.find(part) < 0])
            index.upsert(found, vectors, to_halves(vectors), sellers, blocks)
            yield
