"""Offer tables and the settings file: what a person hands over is read, or refused with what was expected."""

import atexit
import csv
import io
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from fuzz.mutating import mutated
from fuzz.target import Check, Target, expect
from matcher.events.reading import read_offer
from matcher.settings import SettingsError, load_settings
from producers.tables import BadRow, TableUnusable, open_table

ROWS = (
    {"offer_id": "1", "title": 'A "good", big bag', "price": "9.5", "currency": "EUR", "images": "a.jpg|b.jpg"},
    {"offer_id": "2", "title": "ä\nb", "price": None, "currency": None, "images": None},
)
SETTINGS = b"""[kafka]
bootstrap = "127.0.0.1:9092"
[topics]
prefix = "x-"
offers_partitions = 3
[matcher]
expire_after = 86400.0
[dead_letters]
share = 0.5
"""


@cache
def _folder() -> Path:
    """Files of this process, gone when it ends; libFuzzer ends without a word, then `fuzz.run` clears up."""
    folder = Path(tempfile.mkdtemp(prefix="offermatch-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _check(suffix: str) -> Check:
    def check(data: bytes) -> None:
        path = _folder() / f"offers{suffix}"
        path.write_bytes(data)
        try:
            rows = list(open_table(path).offers())
        except TableUnusable as error:
            expect("expected" in str(error), f"the message {error}")
            return
        for row in rows:
            if not isinstance(row, BadRow):
                expect(read_offer(row.key, row.value)[0].offer_id == row.offer_id, "another offer than the row's")

    return check


def check_settings(data: bytes) -> None:
    path = _folder() / "offermatch.toml"
    path.write_bytes(data)
    try:
        load_settings(path, {})
    except SettingsError:
        return


def _csv() -> Sequence[bytes]:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(ROWS[0]))
    writer.writeheader()
    writer.writerows(ROWS)
    return text.getvalue().encode(), text.getvalue().replace(",", ";").encode(), b"\xef\xbb\xbfoffer_id\ttitle\na\tb\n"


def _jsonl() -> Sequence[bytes]:
    return (b'{"offer_id": "1", "price": {"amount": NaN}, "images": ["a.jpg"]}\n{"offer_id": 2, "title": "x"}\n',)


def _parquet() -> Sequence[bytes]:
    found = []
    for options in ({"compression": "none"}, {"compression": "snappy", "use_dictionary": False}):
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(list(ROWS)), sink, **options)
        found.append(sink.getvalue())
    return tuple(found)


def _lines_changed(data: bytes, random: Random) -> bytes | None:
    """One line's object changed."""
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    changed = mutated(lines[at], random)
    return None if changed is None else b"\n".join((*lines[:at], changed, *lines[at + 1 :]))


def _cells_moved(data: bytes, random: Random) -> bytes | None:
    """Two pieces between separators change places."""
    mark = random.choice((b",", b"\n", b'"', b"=", b"."))
    parts = data.split(mark)
    one, other = random.randrange(len(parts)), random.randrange(len(parts))
    parts[one], parts[other] = parts[other], parts[one]
    return mark.join(parts)


TARGETS = (
    Target(
        name="tables-csv", check=_check(".csv"), seeds=_csv, change=_cells_moved,
        words=(b'"', b"\r\n", b";", b"\t", b"offer_id", b"product_id", b"\0"),
    ),
    Target(
        name="tables-jsonl", check=_check(".jsonl"), seeds=_jsonl, change=_lines_changed, words=(b"NaN", b"\\ud800")
    ),
    Target(name="tables-parquet", check=_check(".parquet"), seeds=_parquet, change=_cells_moved),
    Target(
        name="settings", check=check_settings, seeds=lambda: (SETTINGS,), change=_cells_moved,
        words=(b"[matcher]", b"= inf", b"= nan", b"= 1979-05-27", b"'''", b"librdkafka", b"password_file"),
    ),
)  # fmt: skip
