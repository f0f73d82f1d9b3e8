"""JSON lines: one object a line, in UTF-8."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from producers.tables.lines import MAX_ROW, bounded_lines, check_text
from producers.tables.rows import READ_COLUMNS, BadRow, Row, TableUnusable, check_columns

#: How many lines show what the columns are; JSON lines have no header.
LOOKED_AT = 100


class JsonRows:
    """The rows of one file of JSON lines. Raises `TableUnusable` on opening. `columns` are those of its first lines."""

    def __init__(self, path: Path) -> None:
        check_text(path, "JSON, one object a line")
        self._path = path
        self._size = max(1, path.stat().st_size)
        self._read = 0
        self.columns: Sequence[str] = self._columns()
        check_columns(path, self.columns)

    def __iter__(self) -> Iterator[Row | BadRow]:
        with self._path.open("rb") as file:
            for number, line in enumerate(bounded_lines(file), 1):
                self._read = file.tell()
                if line is not None and not line.strip():
                    continue
                found = _object(line)
                if isinstance(found, str):
                    yield BadRow(number, found)
                else:
                    cells = {name: v for name, v in found.items() if name in READ_COLUMNS and v is not None and v != ""}
                    yield Row(number, cells)
        self._read = self._size

    def fraction(self) -> float:
        return min(1.0, self._read / self._size)

    def _columns(self) -> list[str]:
        found: dict[str, None] = {}
        seen, objects = 0, 0
        with self._path.open("rb") as file:
            for line in bounded_lines(file):
                if line is not None and not line.strip():
                    continue
                if seen == 0 and line is not None and line.lstrip().startswith(b"["):
                    raise TableUnusable(f"{self._path}: expected one JSON object a line, this is a JSON array")
                seen += 1
                row = _object(line)
                if not isinstance(row, str):
                    objects += 1
                    found.update(dict.fromkeys(row))
                if seen == LOOKED_AT:
                    break
        if not objects:
            raise TableUnusable(f"{self._path}: expected one JSON object a line, none of the first {seen} lines is one")
        return list(found)


def _object(line: bytes | None) -> dict[str, Any] | str:
    """The object in a line, or why there is none."""
    if line is None:
        return f"longer than {MAX_ROW} bytes"
    if b"\0" in line:
        return "a NUL byte"
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as strict_error:
        # Python's own json writes NaN, which is no JSON; tables made with it are common.
        try:
            value = json.loads(line, parse_constant=lambda _: None)
        except UnicodeDecodeError as error:
            return f"no UTF-8: byte 0x{line[error.start]:02x}"
        except (ValueError, RecursionError):
            return f"no JSON: {strict_error}"
    return value if isinstance(value, dict) else f"expected a JSON object, got {type(value).__name__}"
