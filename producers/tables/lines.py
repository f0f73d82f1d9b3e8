"""Lines of a text file, one at a time and of bounded length, so that no file can fill the memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from producers.tables.rows import TableUnusable

#: No row may be longer, in bytes; Kafka's own limit for a record is lower.
MAX_ROW = 4 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_OTHER_FORMATS = {
    b"PAR1": "Parquet",
    b"PK\x03\x04": "a zip or Excel file",
    b"\x1f\x8b": "gzip",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"%PDF": "a PDF",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"SQLite format 3": "an SQLite database",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def bounded_lines(file: BinaryIO) -> Iterator[bytes | None]:
    """The lines of `file` with their ends, the byte order mark gone; None stands for one longer than `MAX_ROW`."""
    first = True
    while raw := file.readline(MAX_ROW + 1):
        line: bytes | None = raw.removeprefix(_BOM) if first else raw
        first = False
        if len(raw) > MAX_ROW:
            line = None
            while raw and not raw.endswith(b"\n"):
                raw = file.readline(MAX_ROW)
        yield line


def check_text(path: Path, what: str) -> None:
    """Raises `TableUnusable` for an empty file and for one that is some other format; `what` names the expected one."""
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise TableUnusable(f"{path}: expected a readable file ({error.strerror})") from None
    for magic, name in _OTHER_FORMATS.items():
        if start.startswith(magic):
            raise TableUnusable(f"{path}: expected {what} in UTF-8, this is {name}")
    if not start.removeprefix(_BOM).strip():
        raise TableUnusable(f"{path}: expected {what}, the file is empty")
    if b"\0" in start.split(b"\n", 1)[0]:
        raise TableUnusable(f"{path}: expected {what} in UTF-8, this is a binary file")
