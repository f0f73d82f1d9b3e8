"""Readers hold no more than a multiple of what they were given, however the bytes are chosen."""

import tracemalloc

import pytest

from fuzz.framing import framed
from fuzz.targets import TARGETS

pytestmark = pytest.mark.slow

SIZE = 1_000_000  # Kafka's own limit for a record
#: A list of one byte an element is 8 bytes for its place and up to 56 for the element; a reader may hold both twice.
TIMES = 50


def filled(head: bytes, piece: bytes, tail: bytes) -> bytes:
    return head + piece * ((SIZE - len(head) - len(tail)) // len(piece)) + tail


@pytest.mark.parametrize("topic", ["offers", "offer-features", "matches", "needs-review", "verdicts"])
@pytest.mark.parametrize(
    "value",
    [
        filled(b'{"offer_id":"a","sizes":[', b"[],", b"1]}"),
        filled(b'{"offer_id":"a","sizes":"', b"\xc3\xa4,", b'"}'),
        filled(b'{"offer_id":"a","image_urls":[', b'"a",', b'"b"]}'),
        filled(b'{"offer_id":"a","description":"', b"&lt;", b'"}'),
        filled(b'{"offer_id":"a","title":"', b"\xf0\x9f\x91\x95", b'"}'),
        filled(b'{"offer_id":"a","title":NaN,"x":{', b'"":1,', b'"y":{}}}'),
        filled(b"", b"[", b""),
        filled(b"", b"\x91", b"\xc0"),
        filled(b"\xdd\x00\x0f\x00\x00", b"\x80", b""),
        filled(b"\x81\xa1x\xdd\x7f\xff\xff\xff", b"\xc0", b""),
        b"\xdb\xff\xff\xff\xff" + b"x" * 100,
    ],
    ids=["lists", "sizes", "texts", "entities", "wide", "names", "deep JSON", "deep", "maps", "promised", "announced"],
)
def test_a_record_costs_a_multiple_of_its_size(topic: str, value: bytes) -> None:
    data = framed(b"a", value)
    tracemalloc.start()
    try:
        TARGETS[topic].check(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 200_000 + TIMES * len(data)
