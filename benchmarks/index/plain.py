"""Plain FAISS indexes, as one would use them without thinking of changes: what ours is compared with."""

from __future__ import annotations

import os
from typing import Any, Final

import faiss
import numpy as np

from benchmarks.index.feed import DIM
from benchmarks.index.rivals.rival import BREADTH, EFFORTS, LINKS, Brands, Keys, Offers, Vectors
from index_store.store import NO_BLOCK

_faiss: Final[Any] = faiss
_TRAIN_PER_CELL: Final = 40


class Plain:
    """A FAISS index. It knows no brands: a search for one is handed the set of all keys it may find, as FAISS wants."""

    version = f"faiss-cpu {faiss.__version__}"
    branded = True
    changes = True
    effort = 0
    efforts: tuple[int, ...] = ()

    def __init__(self, title: str, settings: str) -> None:
        self.title = title
        self.settings = settings
        self._index: Any = None
        self._brands: Brands = np.empty(0, np.int32)  # by key

    def build(self, offers: Offers) -> None:
        """See `Rival.build`."""
        self._index = self._empty(offers)
        for chunk in offers.chunks():
            self.add(*chunk)

    def add(self, keys: Keys, vectors: Vectors, brands: Brands) -> None:
        """Offers that are not there."""
        if (most := int(keys.max()) + 1) > len(self._brands):
            self._brands = np.resize(self._brands, max(most, len(self._brands) * 5 // 4))
        self._brands[keys] = brands
        self._insert(vectors, keys)

    def search(self, queries: Vectors, k: int, brands: Brands | None) -> Keys:
        """See `Rival.search`."""
        if brands is None:
            return self._found(queries, k, None)
        found = []
        for query, brand in zip(queries, brands, strict=True):
            allowed = (self._brands == NO_BLOCK) | (self._brands == brand)
            found.append(self._found(query[None], k, _faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))))
        return np.concatenate(found)

    def upsert(self, keys: Keys, vectors: Vectors, brands: Brands) -> None:
        """See `Rival.upsert`."""
        self._index.remove_ids(keys)
        self.add(keys, vectors, brands)

    def remove(self, keys: Keys) -> None:
        """See `Rival.remove`."""
        self._index.remove_ids(keys)

    def processes(self) -> tuple[int, ...]:
        """See `Rival.processes`."""
        return (os.getpid(),)

    def close(self) -> None:
        """See `Rival.close`."""
        self._index = None

    def _empty(self, offers: Offers) -> Any:
        raise NotImplementedError

    def _insert(self, vectors: Vectors, keys: Keys) -> None:
        self._index.add_with_ids(vectors, keys)

    def _parameters(self, allowed: Any) -> Any:
        return _faiss.SearchParameters(sel=allowed)

    def _found(self, queries: Vectors, k: int, allowed: Any) -> Keys:
        _, keys = self._index.search(queries, k, params=self._parameters(allowed))
        result: Keys = keys
        return result


class Flat(Plain):
    """Compares with every vector."""

    def __init__(self) -> None:
        super().__init__("FAISS Flat", "f32, IDMap2, compares with all")
        self._index = _faiss.IndexIDMap2(_faiss.IndexFlatIP(DIM))

    def _empty(self, offers: Offers) -> Any:
        return self._index


class InvertedFile(Plain):
    """`IVF,SQ8` with four cells for the root of n, without a re-rank; FAISS's own map of ids."""

    efforts = (1, 2, 4, 8, 16, 32, 64, 128, 256)
    effort = 32

    def __init__(self) -> None:
        super().__init__("FAISS IVF", "8-bit codes, 4·√n cells, no re-rank, hash table of ids")

    def _empty(self, offers: Offers) -> Any:
        cells = int(4 * np.sqrt(offers.count))
        index = _faiss.index_factory(DIM, f"IVF{cells},SQ8", _faiss.METRIC_INNER_PRODUCT)
        index.train(offers.sample(_TRAIN_PER_CELL * cells))
        index.set_direct_map_type(_faiss.DirectMap.Hashtable)
        return index

    def _parameters(self, allowed: Any) -> Any:
        return _faiss.SearchParametersIVF(sel=allowed, nprobe=self.effort)


class Graph(Plain):
    """HNSW over the vectors themselves. FAISS can neither replace nor remove what is in it."""

    changes = False
    efforts = EFFORTS
    effort = 64

    def __init__(self) -> None:
        super().__init__("FAISS HNSW", f"f32, M {LINKS}, efConstruction {BREADTH}")

    def _empty(self, offers: Offers) -> Any:
        index = _faiss.IndexHNSWFlat(DIM, LINKS, _faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = BREADTH
        return index

    def _insert(self, vectors: Vectors, keys: Keys) -> None:
        self._index.add(vectors)  # the next numbers are the keys, as nothing is ever removed

    def _parameters(self, allowed: Any) -> Any:
        return _faiss.SearchParametersHNSW(sel=allowed, efSearch=self.effort)
