"""Plain FAISS indexes, as one would use them without thinking of changes: what ours is compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

_faiss: Final[Any] = faiss
_PROBES: Final = 32
_LINKS: Final = 32
_BREADTH: Final = 128
_TRAIN_PER_CELL: Final = 40


class Plain:
    """A FAISS index of vectors f32[n, dim], whose ids are their numbers from 0 on."""

    def __init__(self, name: str, index: Any, *, changes: bool = True) -> None:
        """changes: whether the index can replace entries at all."""
        self.name = name
        self.changes = changes
        self._index = index

    def search(self, queries: Vectors, k: int) -> Numbers:
        """i64[n, k]: the ids found."""
        _, ids = self._index.search(queries, k)
        result: Numbers = ids
        return result

    def remove(self, ids: Numbers) -> None:
        """Without these ids."""
        self._index.remove_ids(ids)

    def replace(self, ids: Numbers, vectors: Vectors) -> None:
        """Other vectors for these ids."""
        self._index.remove_ids(ids)
        self._index.add_with_ids(vectors, ids)


def flat(vectors: Vectors) -> Plain:
    """Compares with every vector."""
    index = _faiss.IndexIDMap2(_faiss.IndexFlatIP(vectors.shape[1]))
    index.add_with_ids(vectors, np.arange(len(vectors)))
    return Plain("FAISS Flat", index)


def inverted_file(vectors: Vectors) -> Plain:
    """`IVF,SQ8` with four cells for the root of n and 32 probes, without a re-rank; FAISS's own map of ids."""
    cells = int(4 * np.sqrt(len(vectors)))
    index = _faiss.index_factory(vectors.shape[1], f"IVF{cells},SQ8", _faiss.METRIC_INNER_PRODUCT)
    index.train(vectors[: _TRAIN_PER_CELL * cells])
    index.add(vectors)
    index.nprobe = _PROBES
    index.set_direct_map_type(_faiss.DirectMap.Hashtable)
    return Plain(f"FAISS IVF{cells},SQ8", index)


def graph(vectors: Vectors) -> Plain:
    """HNSW over 8-bit codes."""
    index = _faiss.IndexHNSWSQ(vectors.shape[1], _faiss.ScalarQuantizer.QT_8bit, _LINKS, _faiss.METRIC_INNER_PRODUCT)
    index.train(vectors[: min(len(vectors), 100_000)])
    index.add(vectors)
    index.hnsw.efSearch = _BREADTH
    return Plain("FAISS HNSW-SQ8", index, changes=False)


MAKERS: Final[dict[str, Callable[[Vectors], Plain]]] = {"flat": flat, "ivf": inverted_file, "hnsw": graph}
"""The references by the name that the command line takes."""
