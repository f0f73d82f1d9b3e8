"""Broken events on `offer-features`, as a foreign or faulty encoder might write them, and how each ends."""

from collections.abc import Callable

import msgspec
import numpy as np

from matcher.encoders.dummy import DummyEncoder
from matcher.events.features import OfferFeatures, encode_features
from matcher.events.offer import Offer
from matcher.events.place import Place, Version
from tests.pipeline.broken_offers import Case, Dead
from tests.pipeline.harness import Event

#: Versions that no offer of the test has.
ELSEWHERE = Version(0, 10**12)
HALF = np.dtype("<f2")


def features(name: str) -> OfferFeatures:
    """What the encoder of the test's bundle could have written."""
    return OfferFeatures(
        offer=Offer(offer_id=name, title="a foreign one"),
        version=ELSEWHERE,
        cause=Place("offers", *msgspec.structs.astuple(ELSEWHERE)),
        encoder=DummyEncoder.fingerprint,
        text=np.ones(DummyEncoder.text_dim, HALF).tobytes(),
        numbers=np.ones(3, "<f4").tobytes(),
    )


def changed(**fields: object) -> Callable[[str, str], Event]:
    return lambda name, _: Event(
        name.encode(), encode_features(msgspec.structs.replace(features(name), **fields)), partition=0
    )


def remade(change: Callable[[dict[str, object]], object]) -> Callable[[str, str], Event]:
    """The map itself is changed, in ways that the Struct would not allow."""

    def make(name: str, _: str) -> Event:
        table = msgspec.msgpack.decode(encode_features(features(name)))
        change(table)
        return Event(name.encode(), msgspec.msgpack.encode(table), partition=0)

    return make


def put(**fields: object) -> Callable[[str, str], Event]:
    return remade(lambda table: table.update(fields))


def raw(value: bytes | None, *headers: tuple[str, bytes], key: bytes | None = None) -> Callable[[str, str], Event]:
    return lambda name, _: Event(key if key is not None else name.encode(), value, headers, partition=0)


def cut(count: int) -> Callable[[str, str], Event]:
    return lambda name, _: Event(name.encode(), encode_features(features(name))[:-count], partition=0)


def vector(number: float, length: int) -> bytes:
    return np.full(length, number, HALF).tobytes()


def bad(reason: str = "bad_features") -> Dead:
    return Dead(reason, stage="matcher")


FEATURES = [
    Case("garbage", raw(b"\xc1garbage"), bad()),
    Case("an empty value", raw(b""), bad()),
    Case("JSON in place of MessagePack", raw(b'{"offer": {}}'), bad()),
    Case("a MessagePack that ends too early", cut(9), bad()),
    Case("500 kB of nested arrays", raw(b"\x91" * 500_000 + b"\x90"), bad()),
    Case("a length that lies", raw(b"\xdf\xff\xff\xff\xff"), bad()),
    Case("an unknown encoder", changed(encoder="0000000000000000"), bad("foreign_encoder")),
    Case("a text vector of another dimension", changed(text=vector(1, 255)), bad("wrong_dimensions")),
    Case("an image vector of another dimension", changed(image=vector(1, 1)), bad("wrong_dimensions")),
    Case("numbers of another dimension", changed(numbers=np.ones(4, "<f4").tobytes()), bad("wrong_dimensions")),
    Case("half a number too much", changed(text=vector(1, 256) + b"\0"), bad()),
    Case("NaN in a vector", changed(text=vector(np.nan, 256)), bad()),
    Case("infinity in a vector", changed(text=vector(np.inf, 256)), bad()),
    Case("a vector of zeros", changed(text=vector(0, 256)), bad()),
    Case("a vector of no bytes", changed(text=b""), bad()),
    Case("no vector at all", changed(text=None), bad()),
    Case("no version", remade(lambda table: table.pop("version")), bad()),
    Case("a negative version", put(version={"partition": 0, "offset": -1}), bad()),
    Case("a version beyond what Kafka counts", put(version={"partition": 0, "offset": 2**63}), bad()),
    Case("an offer that is none", put(offer=[1, 2]), bad()),
    Case("an id of 300 characters", put(offer={"offer_id": "i" * 300}), bad()),
    Case("a price that is NaN", put(offer={"offer_id": "x", "price": {"amount": float("nan")}}), bad()),
    Case("an endless price", remade(lambda table: table["offer"].update(price={"amount": float("inf")})), bad()),
    Case("a key that is another offer's", put(offer={"offer_id": "somebody else"}), bad("key_mismatch")),
    Case("a null without a version", raw(None), bad("no_version")),
    Case("a null whose version is none", raw(None, ("ce_offerversion", b"\xff-1")), bad("no_version")),
    Case("a null whose key is no UTF-8", raw(None, ("ce_offerversion", b"0-1"), key=b"\xff"), bad("bad_offer_id")),
    Case("a null with an empty key", raw(None, ("ce_offerversion", b"0-1"), key=b""), bad("no_offer_id")),
]  # fmt: skip
