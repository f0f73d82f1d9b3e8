"""What comes to an empty index at a start: read ahead and checked, each key once, in either precision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import numpy as np

from index_store.halves import Halves, to_halves, to_singles
from index_store.store import (
    HalfRows,
    Keys,
    Rows,
    Vectors,
    check_blocks,
    check_keys,
    check_sellers,
    check_vectors,
)


def incoming(chunks: Iterable[Rows | HalfRows]) -> Iterator[Rows | HalfRows]:
    """The same chunks, each read in a thread while the one before is worked on. Raises `ValueError` for the keys,
    sellers and blocks that an upsert refuses; the vectors are left to whoever takes them."""
    for chunk in _ahead(chunks):
        keys, _, sellers, blocks = chunk
        check_keys(keys)
        check_sellers("sellers", sellers, len(keys))
        check_blocks(blocks, len(keys))
        yield chunk


def check_once(keys: Keys, *, met: bool = False) -> None:
    """Raises `ValueError` where a key is there twice; `met`: one of them came before."""
    if met or len(np.unique(keys)) < len(keys):
        raise ValueError("the entries to load must have each key once")


def checked_vectors(vectors: Vectors | Halves, dim: int, rows: int) -> tuple[Vectors, Halves]:
    """The same as f32[rows, dim] and as f16[rows, dim]. Raises `ValueError` for vectors that an upsert refuses, those
    that `half` refuses included."""
    checked = check_vectors("vectors", single(vectors), dim, rows)
    return checked, cast(Halves, vectors) if vectors.dtype == np.float16 else half(checked)


def half(vectors: Vectors) -> Halves:
    """The same as f16[n, dim]. Raises `ValueError` if that changes any value."""
    result = to_halves(vectors)
    same = to_singles(result) == vectors
    if not same.all():
        row, column = np.argwhere(~same)[0]
        raise ValueError(
            f"vectors must be rounded to fp16, which this index keeps; got {vectors[row, column]} in row {row}, "
            f"column {column}"
        )
    return result


def single(vectors: Vectors | Halves) -> Vectors:
    """The same as f32[n, dim]; what is neither f16 nor f32 stays as it is."""
    return to_singles(cast(Halves, vectors)) if vectors.dtype == np.float16 else cast(Vectors, vectors)


def _ahead(chunks: Iterable[Rows | HalfRows]) -> Iterator[Rows | HalfRows]:
    coming = iter(chunks)
    with ThreadPoolExecutor(1) as reader:
        future = reader.submit(next, coming, None)
        while (chunk := future.result()) is not None:
            future = reader.submit(next, coming, None)
            yield chunk
