"""Parquet, read in small batches of one row group after the other."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from producers.tables.rows import READ_COLUMNS, BadRow, Row, TableUnusable, check_columns

BATCH = 1_024


#: How pyarrow says that a file is broken; names that are no UTF-8 come as what Python says of them.
_BROKEN = (pa.ArrowException, OSError, UnicodeDecodeError)
#: How it says that Python has no such value: text that is no UTF-8, dates beyond the year 9999.
_NO_VALUE = (ValueError, OverflowError)


class _Unreadable(Struct, frozen=True):
    """Stands for a value that Python cannot hold, though its column could; and why."""

    reason: str


class ParquetRows:
    """The rows of one Parquet file. Raises `TableUnusable` on opening."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if path.stat().st_size == 0:
            raise TableUnusable(f"{path}: expected a Parquet table, the file is empty")
        try:
            with pq.ParquetFile(path) as file:
                self.columns: Sequence[str] = list(file.schema_arrow.names)
                self._total = int(file.metadata.num_rows)
        except _BROKEN as error:
            raise TableUnusable(f"{path}: expected a Parquet table: {_short(error)}") from None
        check_columns(path, self.columns)
        self._done = 0

    def __iter__(self) -> Iterator[Row | BadRow]:
        """A row group that cannot be read is one bad row, which says how many are lost with it."""
        wanted = [name for name in self.columns if name in READ_COLUMNS]
        self._done = 0
        end = 0
        with pq.ParquetFile(self._path) as file:
            for group in range(file.num_row_groups):
                end += int(file.metadata.row_group(group).num_rows)
                try:
                    for batch in file.iter_batches(batch_size=BATCH, row_groups=[group], columns=wanted):
                        yield from self._rows(batch)
                except _BROKEN as error:
                    reason = f"row group {group + 1} cannot be read, {end - self._done} rows are lost: {_short(error)}"
                    yield BadRow(self._done + 1, reason)
                self._done = end

    def fraction(self) -> float:
        return min(1.0, self._done / self._total) if self._total else 1.0

    def _rows(self, batch: Any) -> Iterator[Row | BadRow]:
        names = batch.schema.names
        for values in zip(*(_values(column) for column in batch.columns), strict=True):
            self._done += 1
            damaged = next(
                (f"{v.reason} in {name}" for name, v in zip(names, values, strict=True) if isinstance(v, _Unreadable)),
                None,
            )
            if damaged is not None:
                yield BadRow(self._done, damaged)
            else:
                cells = {name: v for name, v in zip(names, values, strict=True) if v is not None and v != ""}
                yield Row(self._done, cells)


def _values(column: Any) -> list[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return [None if raw is None else _text(raw) for raw in column.to_pylist()]
    try:
        return list(column.to_pylist())
    except _NO_VALUE:
        return [_value(scalar) for scalar in column]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return _Unreadable("no UTF-8")
    except _NO_VALUE as error:
        return _Unreadable(f"no value that can be read ({_short(error)})")


def _text(raw: bytes) -> Any:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _Unreadable("no UTF-8")


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
