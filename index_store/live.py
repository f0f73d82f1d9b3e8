"""Reading all live vectors of a state file, chunk by chunk, for an index that is filled with them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from index_store import tables
from index_store.errors import StateUnusable, how_to_delete
from index_store.state_file import StateFile
from index_store.store import HalfRows


def live_halves(file: StateFile, dim: int, chunk: int) -> Iterator[HalfRows]:
    """By rising place: (i64[n], f16[n, dim], i32[n], i32[n]), n ≤ chunk. The file is free between two chunks.

    Raises `StateUnusable` where vectors have another dimension.
    """
    with file.snapshot() as connection:
        with file.reading():
            connection.execute("BEGIN")
            stale = np.array(connection.execute("SELECT place FROM stale ORDER BY place").fetchall(), np.int64).ravel()
            cursor = connection.execute("SELECT place, key, seller_code, block, vector FROM vectors ORDER BY place")
        while True:
            with file.reading():
                rows = cursor.fetchmany(chunk)
            if not rows:
                return
            places, keys, sellers, blocks, vectors = zip(*rows, strict=True)
            if set(map(len, vectors)) != {dim * tables.VECTOR_DTYPE.itemsize}:
                raise StateUnusable(
                    f"state {file.path} holds vectors that are not of dimension {dim}: {how_to_delete(file.path)}"
                )
            values = np.frombuffer(b"".join(vectors), tables.VECTOR_DTYPE).reshape(-1, dim)
            found = np.array(keys, np.int64), values, np.array(sellers, np.int32), np.array(blocks, np.int32)
            live = ~np.isin(np.array(places, np.int64), stale)
            if live.all():
                yield found
            elif live.any():
                yield found[0][live], found[1][live], found[2][live], found[3][live]
