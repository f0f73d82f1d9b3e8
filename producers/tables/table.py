"""Finding the offer table in a file or folder, and reading it one offer at a time."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from producers.tables.csv_rows import CsvRows
from producers.tables.event import offer_event
from producers.tables.json_rows import JsonRows
from producers.tables.parquet_rows import ParquetRows
from producers.tables.rows import BadRow, Reader, Row, TableRow, TableUnusable

_READERS: dict[str, Callable[[Path], Reader]] = {
    ".csv": CsvRows,
    ".jsonl": JsonRows,
    ".ndjson": JsonRows,
    ".json": JsonRows,
    ".parquet": ParquetRows,
}
#: What the table in a folder may be called.
IN_FOLDER = tuple(f"offers{suffix}" for suffix in (".csv", ".jsonl", ".ndjson", ".parquet"))


class Table:
    """An offer table that was found and can be read, as often as needed; memory does not grow with its length."""

    def __init__(self, path: Path, reader: Reader) -> None:
        self.path = path
        self._reader = reader

    @property
    def name(self) -> str:
        """The file with its folder, like `luma/offers.csv`: the same wherever the folder lies."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def columns(self) -> Sequence[str]:
        """The columns there are, read or not."""
        return self._reader.columns

    def rows(self) -> Iterator[Row | BadRow]:
        """The cells of every row."""
        return iter(self._reader)

    def offers(self) -> Iterator[TableRow | BadRow]:
        """Every row as an event for the topic `offers`, in the table's order."""
        folder = str(self.path.parent)
        for row in self._reader:
            yield row if isinstance(row, BadRow) else offer_event(row, folder)

    def fraction(self) -> float:
        """How much of it the iteration under way has read, from 0 to 1."""
        return self._reader.fraction()


def open_table(path: Path) -> Table:
    """The table in `path`: a .csv, .jsonl, .ndjson, .json (one object a line) or .parquet file, or a folder with one
    `offers` file of these. Raises `TableUnusable`."""
    file = _in_folder(path) if path.is_dir() else path
    suffix = file.suffix.lower()
    if not file.exists():
        raise TableUnusable(f"{file}: no such file or folder; expected an offer table or a folder with one")
    if suffix not in _READERS or not file.is_file():
        raise TableUnusable(f"{file}: expected a file that ends in {', '.join(_READERS)}, or a folder")
    # Symbolic links stay as they are: the encoder is told the same folder that the user named.
    file = Path(os.path.abspath(file))
    try:
        return Table(file, _READERS[suffix](file))
    except OSError as error:
        raise TableUnusable(f"{file}: expected a readable file ({error.strerror})") from None


def _in_folder(folder: Path) -> Path:
    found = [folder / name for name in IN_FOLDER if (folder / name).is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        raise TableUnusable(f"{folder}: expected one table, found {', '.join(p.name for p in found)}: name the file")
    raise TableUnusable(f"{folder}: expected a folder with one of {', '.join(IN_FOLDER)}")
