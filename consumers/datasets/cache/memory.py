"""What the cache knows beside features: which encoder a spec means, which content a photo's URL has, which is none."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import msgspec
from msgspec import Struct

from consumers.datasets.cache.database import Database
from matcher.model.bundle import EncoderFacts

_AT_ONCE = 1_000
_TABLES = """
CREATE TABLE IF NOT EXISTS encoders (identity TEXT PRIMARY KEY, facts BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS origins (origin BLOB PRIMARY KEY, stamp TEXT NOT NULL, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused (
    content BLOB, conditions TEXT, reason TEXT NOT NULL, PRIMARY KEY (content, conditions)
) WITHOUT ROWID
"""


class Origin(Struct, frozen=True):
    """Where a photo came from (`origin`, a digest), the state of that place (`stamp`), and the digest of its bytes."""

    origin: bytes
    stamp: str
    content: bytes


class Memory:
    """`memory.sqlite`: nothing in it is needed, everything saves work."""

    def __init__(self, folder: Path) -> None:
        """Raises `CacheUnusable`."""
        self._database = Database(folder / "memory.sqlite", _TABLES)

    def close(self) -> None:
        self._database.close()

    def encoder(self, identity: str) -> EncoderFacts | None:
        """The encoder that was found behind `identity` (see `consumers.datasets.identity`)."""
        with self._database.reading() as connection:
            found = connection.execute("SELECT facts FROM encoders WHERE identity = ?", (identity,)).fetchone()
        try:
            return None if found is None else msgspec.json.decode(found[0], type=EncoderFacts)
        except msgspec.DecodeError:
            return None

    def remember_encoder(self, identity: str, facts: EncoderFacts) -> None:
        with self._database.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO encoders VALUES (?, ?)", (identity, msgspec.json.encode(facts)))

    def contents(self, stamps: Mapping[bytes, str]) -> dict[bytes, bytes]:
        """Origin → content, of those origins whose stamp is the given one still."""
        found = {}
        for some in _pieces(stamps):
            marks = ",".join("?" * len(some))
            with self._database.reading() as connection:
                rows = connection.execute(f"SELECT origin, stamp, content FROM origins WHERE origin IN ({marks})", some)
                found.update({origin: content for origin, stamp, content in rows if stamps[origin] == stamp})
        return found

    def remember_origins(self, origins: Iterable[Origin]) -> None:
        rows = [(entry.origin, entry.stamp, entry.content) for entry in origins]
        with self._database.writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO origins VALUES (?, ?, ?)", rows)

    def refused(self, contents: Collection[bytes], conditions: str) -> dict[bytes, str]:
        """Content → reason, of those that were no photo under the same conditions."""
        found: dict[bytes, str] = {}
        for some in _pieces(contents):
            marks = ",".join("?" * len(some))
            asked = f"SELECT content, reason FROM refused WHERE conditions = ? AND content IN ({marks})"
            with self._database.reading() as connection:
                found.update(connection.execute(asked, (conditions, *some)))
        return found

    def remember_refused(self, reasons: Mapping[bytes, str], conditions: str) -> None:
        rows = [(content, conditions, reason) for content, reason in reasons.items()]
        with self._database.writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO refused VALUES (?, ?, ?)", rows)


def _pieces(keys: Iterable[bytes]) -> Iterator[Sequence[bytes]]:
    rest = iter(keys)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
