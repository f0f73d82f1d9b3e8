"""How a golden file holds records: JSON that people can read, base64 where bytes are no text.

One file a topic: `{"topic": …, "records": [{"name", "key", "value", "headers", "place", "timestamp_ms", "reads_as"}]}`.
Bytes are `{"text": …}`, or `{"base64": …}` where they are no plain UTF-8 text; a null value is null. `reads_as` is what
the reader of that time made of the record; every later one must make the same of it.
"""

import base64
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from matcher.events.envelope import Outgoing, Record

FOLDER = Path(__file__).parent


class Blob(Struct, frozen=True):
    """Some bytes, as text where that is possible."""

    text: str | UnsetType = UNSET
    base64: str | UnsetType = UNSET

    @classmethod
    def of(cls, raw: bytes) -> "Blob":
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return cls(base64=base64.b64encode(raw).decode())
        return (
            cls(text=text)
            if all(c.isprintable() or c == "\n" for c in text)
            else cls(base64=base64.b64encode(raw).decode())
        )

    def bytes(self) -> bytes:
        if self.text is not UNSET:
            return self.text.encode()
        assert self.base64 is not UNSET
        return base64.b64decode(self.base64)


class GoldenRecord(Struct, frozen=True, kw_only=True):
    """One record at its place in the log, and what was read from it."""

    name: str
    partition: int
    offset: int
    timestamp_ms: int
    key: Blob | None
    value: Blob | None
    headers: tuple[tuple[str, Blob], ...]
    reads_as: Any = None

    def record(self, topic: str) -> Record:
        """As a consumer gets it."""
        return Record(
            topic=topic,
            partition=self.partition,
            offset=self.offset,
            key=None if self.key is None else self.key.bytes(),
            value=None if self.value is None else self.value.bytes(),
            headers=tuple((name, blob.bytes()) for name, blob in self.headers),
            timestamp_ms=self.timestamp_ms,
        )


class GoldenFile(Struct, frozen=True, kw_only=True):
    """The records of one topic in one version."""

    topic: str
    records: tuple[GoldenRecord, ...]


def golden(name: str, outgoing: Outgoing, offset: int) -> GoldenRecord:
    """`outgoing` as it would stand in the log."""
    return GoldenRecord(
        name=name,
        partition=outgoing.partition or 0,
        offset=offset,
        timestamp_ms=1_700_000_000_000 + offset,
        key=None if outgoing.key is None else Blob.of(outgoing.key),
        value=None if outgoing.value is None else Blob.of(outgoing.value),
        headers=tuple((header, Blob.of(raw)) for header, raw in outgoing.headers),
    )


def versions() -> list[Path]:
    """The folders of all versions, oldest first."""
    found = [
        path for path in FOLDER.iterdir() if path.is_dir() and path.name.startswith("v") and path.name[1:].isdecimal()
    ]
    return sorted(found, key=lambda path: int(path.name[1:]))


def load(path: Path) -> GoldenFile:
    return msgspec.json.decode(path.read_bytes(), type=GoldenFile)


def dump(content: GoldenFile) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
