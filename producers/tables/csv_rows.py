"""CSV (RFC 4180, UTF-8, a header line; separated by commas, semicolons or tabs), read past the rows that are broken."""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from producers.tables.lines import MAX_ROW, bounded_lines, check_text
from producers.tables.rows import READ_COLUMNS, BadRow, Row, TableUnusable, check_columns


class CsvRows:
    """The rows of one CSV file. Raises `TableUnusable` on opening."""

    def __init__(self, path: Path) -> None:
        check_text(path, "a CSV table")
        # The csv module keeps this limit for the whole process; its default cuts long descriptions off.
        csv.field_size_limit(MAX_ROW)
        self._path = path
        self._size = max(1, path.stat().st_size)
        self._read = 0
        self._separator, self._header = _header(path)
        self.columns: Sequence[str] = [name.strip().lower() for name in self._header]
        check_columns(path, self.columns)

    def __iter__(self) -> Iterator[Row | BadRow]:
        """Goes on after a broken row: where the quotes do not add up, with the line after the one it began in."""
        used = [(place, name) for place, name in enumerate(self.columns) if name in READ_COLUMNS]
        with self._path.open("rb") as file:
            lines = _Lines(file)
            rows = csv.reader(lines, delimiter=self._separator, strict=True)
            next(rows)
            while True:
                lines.begin()
                try:
                    cells = next(rows)
                except StopIteration:
                    self._read = self._size
                    return
                except (csv.Error, _LineTooLong) as error:
                    yield BadRow(lines.first, f"{error}" if isinstance(error, _LineTooLong) else f"no CSV: {error}")
                    lines.retry()
                    continue
                self._read = file.tell()
                if not cells:
                    continue  # an empty line
                reason = lines.damage or self._misfit(cells)
                if reason:
                    yield BadRow(lines.first, reason)
                else:
                    yield Row(lines.first, {name: cells[place] for place, name in used if cells[place]})

    def fraction(self) -> float:
        return min(1.0, self._read / self._size)

    def _misfit(self, cells: list[str]) -> str | None:
        if len(cells) != len(self.columns):
            return f"expected {len(self.columns)} columns, got {len(cells)}"
        return "the header again" if cells == self._header else None


def _header(path: Path) -> tuple[str, list[str]]:
    """The separator and the names in the first line. Of several separators the one that shows an offer_id column."""
    found: list[str] = []
    with path.open("rb") as file:
        first = _Lines(file)
        try:
            line = next(first)
        except (_LineTooLong, StopIteration):
            raise TableUnusable(f"{path}: expected a header line of at most {MAX_ROW} bytes") from None
    if first.damage:
        raise TableUnusable(f"{path}: expected a header line in UTF-8: {first.damage}")
    for separator in (",", ";", "\t"):
        try:
            cells = next(csv.reader([line], delimiter=separator, strict=True))
        except csv.Error as error:
            raise TableUnusable(f"{path}: expected a CSV header in one line: {error}") from None
        if "offer_id" in (cell.strip().lower() for cell in cells):
            return separator, cells
        if len(cells) > len(found):
            found = cells
    return ",", found


class _LineTooLong(Exception):
    def __init__(self) -> None:
        super().__init__(f"longer than {MAX_ROW} bytes, or a quote that is never closed")


class _Lines:
    """Feeds the csv reader, and holds the lines of the row under way so that they can be read again.

    A quote that is never closed would swallow the rest of the file: the row is given up, its first line is the broken
    one, and reading goes on with the second.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._source = bounded_lines(file)
        self._again: deque[bytes | None] = deque()
        self._held: list[bytes | None] = []
        self._bytes = 0
        self._number = 0
        self.first = 1
        self.damage: str | None = None

    def begin(self) -> None:
        """A new row begins with the next line."""
        self._held.clear()
        self._bytes = 0
        self.first = self._number + 1
        self.damage = None

    def retry(self) -> None:
        """All lines of this row but the first are to be read again."""
        self._again.extendleft(reversed(self._held[1:]))
        self._number = self.first

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._source)
        self._number += 1
        self._held.append(line)
        self._bytes += len(line or b"")
        if line is None or self._bytes > MAX_ROW:
            raise _LineTooLong
        if b"\0" in line:
            self.damage = "a NUL byte"
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            self.damage = f"no UTF-8: byte 0x{line[error.start]:02x}"
            return line.decode(errors="replace")
