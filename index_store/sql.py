"""What the files of a state have in common: the size of a page, and asking for many rows by their names."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

PAGE_BYTES: Final = 8192  # holds two vectors of 1664 dimensions; a page of 4096 would hold one and a gap
_IN_LIST: Final = 256  # of one fixed length, so that SQLite parses each such statement once


def select_in(connection: sqlite3.Connection, statement: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
    """Rows of `statement`, whose `{}` stands for the list of values; in no particular order."""
    sql = statement.format("(" + ",".join("?" * _IN_LIST) + ")")
    for start in range(0, len(values), _IN_LIST):
        part = list(values[start : start + _IN_LIST])
        part.extend([None] * (_IN_LIST - len(part)))  # equals nothing
        yield from connection.execute(sql, part)
