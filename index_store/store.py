"""The interface of an index of offer vectors, and the checks on its arguments that all stores share.

A store maps keys (given by the state) to vectors and seller codes and answers "which k are the nearest".
There is one writer; a search sees every write that returned before it began. Methods may be called while a write goes
on in another thread: entries that it changes are then found as before, as after or not at all, all others as always.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from index_store.halves import Halves

Keys = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
SellerCodes = npt.NDArray[np.int32]
BlockCodes = npt.NDArray[np.int32]

NO_SELLER: Final = -1
"""Code of a missing seller: equals no one, so it is never excluded and excludes nothing."""

NO_BLOCK: Final = -1
"""Block of an entry that belongs to none (an offer without brand): every search may find it. Also pads `blocks`."""

ANY_BLOCK: Final = -2
"""First in a row of `blocks`: this query may find entries of every block."""

NO_KEY: Final = -1
"""Padding of `Hits.keys` where fewer than k entries were found."""

LARGEST_VALUE: Final = float(np.finfo(np.float16).max)
"""Largest absolute value in a vector: the state keeps vectors as fp16, and no score can overflow."""


Rows = tuple[Keys, Vectors, SellerCodes, BlockCodes]
"""Entries, as the arguments of `IndexStore.upsert`: keys, vectors, sellers and blocks."""

HalfRows = tuple[Keys, Halves, SellerCodes, BlockCodes]
"""The same with vectors f16[n, dim]."""


@dataclass(frozen=True, eq=False, slots=True)
class Hits:
    """The best entries of each query, best first; equal scores are ordered by the smaller key.

    keys:   i64[n, k], padded with -1
    scores: f32[n, k], inner products, padded with -inf
    """

    keys: Keys
    scores: npt.NDArray[np.float32]


class IndexStore(Protocol):
    """An index of vectors by inner product. Every method raises `ValueError` for arguments of a wrong dtype
    or shape, and a call that raised has changed nothing."""

    @property
    def dim(self) -> int:
        """Number of dimensions of a vector."""
        ...

    def upsert(self, keys: Keys, vectors: Vectors, sellers: SellerCodes, blocks: BlockCodes | None = None) -> None:
        """Add entries or replace those with the same key; of a key that comes twice, the later one stays.

        keys i64[n] ≥ 0, vectors f32[n, dim] finite and within the range of fp16, sellers i32[n] ≥ -1, blocks
        i32[n] ≥ -1 (None: all NO_BLOCK). A store may keep vectors as fp16 and then refuses what is not rounded to it.
        """
        ...

    def remove(self, keys: Keys) -> int:
        """Remove entries (i64[n]) and free their memory. Returns how many were there; unknown keys, and
        the second mention of one, are ignored: `len(keys)` less the result is their number."""
        ...

    def search(
        self, queries: Vectors, k: int, *, not_sellers: SellerCodes | None = None, blocks: BlockCodes | None = None
    ) -> Hits:
        """The k nearest entries of each query (f32[n, dim]) among those allowed to it. k ≥ 1.

        Entries of seller `not_sellers[i]` (i32[n]) are left out for query i. Only entries of the blocks in row i
        of `blocks` (i32[n, m], padded with NO_BLOCK) and those of NO_BLOCK are allowed; a row that begins with
        ANY_BLOCK allows all, as `None` does for every query. The search goes on until k are found or nothing is
        left.
        """
        ...

    def reconstruct(self, keys: Keys) -> Vectors:
        """The stored vectors, f32[n, dim]; a row of NaN for a key (i64[n]) that is not in the index."""
        ...

    def labels(self, keys: Keys) -> tuple[SellerCodes, BlockCodes]:
        """The sellers and the blocks of entries, i32[n] each; NO_SELLER and NO_BLOCK for a key (i64[n]) that is not
        in the index."""
        ...

    def __len__(self) -> int:
        """Number of entries."""
        ...

    def memory_bytes(self) -> int:
        """Bytes of memory the entries take, with maps and spare room."""
        ...

    def close(self) -> None:
        """Free what the store holds; it cannot be used afterwards. Closing twice is allowed."""
        ...


def labels_at(slots: npt.NDArray[np.int64], sellers: SellerCodes, blocks: BlockCodes) -> tuple[SellerCodes, BlockCodes]:
    """What `IndexStore.labels` returns, of entries at these slots (i64[n], -1: not there) of two columns."""
    there = slots >= 0
    found = np.full(len(slots), NO_SELLER, np.int32), np.full(len(slots), NO_BLOCK, np.int32)
    found[0][there], found[1][there] = sellers[slots[there]], blocks[slots[there]]
    return found


def check_dim(dim: int) -> int:
    """Returns `dim`. Raises `ValueError` unless it is a whole number of at least 1."""
    if not isinstance(dim, int) or isinstance(dim, bool) or dim < 1:
        raise ValueError(f"the dimension of an index must be a whole number of at least 1, got {dim!r}")
    return dim


def check_k(k: int) -> int:
    """Returns `k`. Raises `ValueError` unless it is a whole number of at least 1."""
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
        raise ValueError(f"k must be a whole number of at least 1, got {k!r}")
    return int(k)


def check_keys(keys: Keys) -> Keys:
    """Returns i64[n], all ≥ 0. Raises `ValueError` otherwise."""
    _check_array("keys", keys, np.dtype(np.int64), ndim=1)
    if keys.size and keys.min() < 0:
        raise ValueError(f"keys must be 0 or greater, got {int(keys.min())} at row {int(keys.argmin())}")
    return keys


def check_sellers(name: str, sellers: SellerCodes, rows: int) -> SellerCodes:
    """Returns i32[rows], all ≥ NO_SELLER. Raises `ValueError` otherwise."""
    _check_array(name, sellers, np.dtype(np.int32), ndim=1)
    if len(sellers) != rows:
        raise ValueError(f"{name} must have one code for each of the {rows} rows, got {len(sellers)}")
    if sellers.size and sellers.min() < NO_SELLER:
        raise ValueError(f"{name} must be {NO_SELLER} (no seller) or greater, got {int(sellers.min())}")
    return sellers


def check_blocks(blocks: BlockCodes | None, rows: int) -> BlockCodes:
    """Returns i32[rows], all ≥ NO_BLOCK; None means all NO_BLOCK. Raises `ValueError` otherwise."""
    if blocks is None:
        return np.full(rows, NO_BLOCK, np.int32)
    _check_array("blocks", blocks, np.dtype(np.int32), ndim=1)
    if len(blocks) != rows:
        raise ValueError(f"blocks must have one code for each of the {rows} rows, got {len(blocks)}")
    if blocks.size and blocks.min() < NO_BLOCK:
        raise ValueError(f"blocks must be {NO_BLOCK} (no block) or greater, got {int(blocks.min())}")
    return blocks


def check_allowed(blocks: BlockCodes | None, rows: int) -> BlockCodes | None:
    """Returns i32[rows, m ≥ 1], or None if every query may find everything. Raises `ValueError` otherwise."""
    if blocks is None:
        return None
    _check_array("blocks", blocks, np.dtype(np.int32), ndim=2)
    if len(blocks) != rows:
        raise ValueError(f"blocks must have one row for each of the {rows} queries, got {len(blocks)}")
    if blocks.size and blocks.min() < ANY_BLOCK:
        raise ValueError(f"blocks must be {ANY_BLOCK} (any block) or greater, got {int(blocks.min())}")
    if (blocks[:, 1:] == ANY_BLOCK).any():
        raise ValueError(f"{ANY_BLOCK} (any block) must be the first in its row of blocks")
    if not blocks.shape[1]:
        return np.full((rows, 1), NO_BLOCK, np.int32)
    return None if rows and (blocks[:, 0] == ANY_BLOCK).all() else blocks


def check_vectors(name: str, vectors: Vectors, dim: int, rows: int | None = None) -> Vectors:
    """Returns f32[n, dim], contiguous and finite. Raises `ValueError` otherwise, naming the first bad row."""
    _check_array(name, vectors, np.dtype(np.float32), ndim=2)
    if vectors.shape[1] != dim:
        raise ValueError(f"{name} must have {dim} dimensions, got {vectors.shape[1]}")
    if rows is not None and len(vectors) != rows:
        raise ValueError(f"{name} must have one row for each of the {rows} keys, got {len(vectors)}")
    # A NaN fails the comparison too, so that one pass finds everything.
    good = np.abs(vectors) <= LARGEST_VALUE
    if not good.all():
        row, column = np.argwhere(~good)[0]
        raise ValueError(
            f"{name} must be finite and within ±{LARGEST_VALUE:g}, "
            f"got {vectors[row, column]} in row {row}, column {column}"
        )
    return np.ascontiguousarray(vectors)


def _check_array(name: str, array: object, dtype: np.dtype[np.generic], ndim: int) -> None:
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name} must be a NumPy array of {dtype}, got {type(array).__name__}")  # noqa: TRY004
    if array.dtype != dtype:
        raise ValueError(f"{name} must be of dtype {dtype}, got {array.dtype}")
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension(s), got shape {array.shape}")
