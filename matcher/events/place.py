"""Where a record stands in the log: the coordinates that versions and causes are made of."""

from typing import Self

from msgspec import Struct


class Version(Struct, frozen=True, order=True):
    """The version of an offer: the place of its record in the topic `offers`.

    Versions of one offer share the partition (same key; partitions are fixed once), so they compare by offset.
    """

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads what `str()` wrote; `ValueError` says what was expected."""
        partition, dash, offset = text.partition("-")
        if not (dash and partition.isdecimal() and offset.isdecimal()):
            raise ValueError(f"expected a version like '3-1042' (partition-offset in `offers`), got {text[:80]!r}")
        return cls(int(partition), int(offset))


class Place(Struct, frozen=True, order=True):
    """Any record of any topic; a decision's *cause* is the Place of the record that led to it."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads what `str()` wrote; `ValueError` says what was expected."""
        topic, _, rest = text.partition("/")
        partition, slash, offset = rest.partition("/")
        if not (topic and slash and partition.isdecimal() and offset.isdecimal()):
            raise ValueError(f"expected a place like 'offers/3/1042' (topic/partition/offset), got {text[:80]!r}")
        return cls(topic, int(partition), int(offset))
