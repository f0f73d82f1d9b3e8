"""Where a record stands in the log: the coordinates that versions and causes are made of."""

from typing import Annotated, Self

from msgspec import Meta, Struct

#: What Kafka's protocol can hold (int32 and int64); anything beyond is no place, and no database could keep it.
MAX_PARTITION = 2**31 - 1
MAX_OFFSET = 2**63 - 1

Partition = Annotated[int, Meta(ge=0, le=MAX_PARTITION)]
Offset = Annotated[int, Meta(ge=0, le=MAX_OFFSET)]


class Version(Struct, frozen=True, order=True):
    """The version of an offer: the place of its record in the topic `offers`.

    Versions of one offer share the partition (same key; partitions are fixed once), so they compare by offset.
    """

    partition: Partition
    offset: Offset

    def __str__(self) -> str:
        return f"{self.partition}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads what `str()` wrote; `ValueError` says what was expected."""
        numbers = _numbers(*text.partition("-"))
        if numbers is None:
            raise ValueError(f"expected a version like '3-1042' (partition-offset in `offers`), got {text[:80]!r}")
        return cls(*numbers)


class Place(Struct, frozen=True, order=True):
    """Any record of any topic; a decision's *cause* is the Place of the record that led to it."""

    topic: Annotated[str, Meta(min_length=1)]
    partition: Partition
    offset: Offset

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads what `str()` wrote; `ValueError` says what was expected."""
        topic, _, rest = text.partition("/")
        numbers = _numbers(*rest.partition("/"))
        if not topic or numbers is None:
            raise ValueError(f"expected a place like 'offers/3/1042' (topic/partition/offset), got {text[:80]!r}")
        return cls(topic, *numbers)


def _numbers(partition: str, separator: str, offset: str) -> tuple[int, int] | None:
    """Both numbers, if they are what Kafka counts with: plain ASCII digits within its range."""
    if not separator or not all(n.isascii() and n.isdecimal() and len(n) <= 19 for n in (partition, offset)):
        return None
    numbers = int(partition), int(offset)
    return numbers if numbers[0] <= MAX_PARTITION and numbers[1] <= MAX_OFFSET else None
