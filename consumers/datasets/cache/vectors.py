"""The raw features that one encoder gave, by content: `<fingerprint>.sqlite`."""

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from consumers.datasets.cache.database import Database
from matcher.arrays import BoolArray, F16Array

#: Bytes of a key.
KEY = 16
#: Keys that one statement asks for; SQLite allows 32,766.
_AT_ONCE = 1_000
_TABLES = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)"


class Vectors:
    """Vectors in fp16, each with a checksum over key and numbers; a damaged one counts as missing and is replaced."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """Raises `CacheUnusable`."""
        self._database = Database(folder / f"{fingerprint}.sqlite", _TABLES)

    def close(self) -> None:
        self._database.close()

    def read(self, keys: Sequence[bytes], dim: int) -> tuple[F16Array, BoolArray]:
        """`f16[n, dim]` and which of the n keys are there; rows of zeros stand for the others."""
        rows = np.zeros((len(keys), dim), np.float16)
        there = np.zeros(len(keys), np.bool_)
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            with self._database.reading() as connection:
                found = dict(
                    connection.execute(f"SELECT key, CAST(vector AS BLOB) FROM vectors WHERE key IN ({marks})", some)
                )
            width = 2 * dim + 4
            whole = [
                (place, packed)
                for place, key in enumerate(some)
                if (packed := found.get(key)) is not None and _is_whole(key, packed, width)
            ]
            if whole:
                packed = np.frombuffer(b"".join(packed for _, packed in whole), np.uint8).reshape(-1, width)
                places = start + np.array([place for place, _ in whole])
                rows[places] = np.ascontiguousarray(packed[:, : 2 * dim]).view("<f2")
                there[places] = True
        return rows, there

    def write(self, entries: Iterable[tuple[bytes, F16Array]]) -> None:
        """Keeps vectors, all or none of them; one that is there already is replaced."""
        packed = [(key, _pack(key, np.asarray(vector, "<f2").tobytes())) for key, vector in entries]
        with self._database.writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", packed)


def _pack(key: bytes, numbers: bytes) -> bytes:
    return numbers + zlib.crc32(numbers, zlib.crc32(key)).to_bytes(4, "little")


def _is_whole(key: bytes, packed: bytes, width: int) -> bool:
    if len(packed) != width:
        return False
    view = memoryview(packed)
    return zlib.crc32(view[:-4], zlib.crc32(key)) == int.from_bytes(view[-4:], "little")
