"""What the sellers send: offers that come, change, come again and go, and rubbish. A pure function of the seed."""

import random
from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec import Struct

#: Products that offers show, for each offer there is; several offers share one.
PER_PRODUCT = 5
LETTERS = "abcdefghijklmnopqrstuvwxyz"
#: Larger than the encoder keeps of a description, and than a dead letter's topic takes of rubbish uncut.
LONG = 900_000

To = Literal["offers", "features"]


class Event(Struct, frozen=True, kw_only=True):
    """One record. `again`: send what this one of the earlier events was, as a replayed dead letter is sent: as old as
    it was. `doomed`: it becomes a dead letter."""

    number: int
    to: To = "offers"
    key: bytes
    value: bytes | None
    again: int | None = None
    doomed: bool = False


def stream(seed: int, ids: int, photos: str) -> Iterator[Event]:
    """Events without end, about `ids` offers; `photos`: the photo host's address."""
    draws = random.Random(seed)
    texts = ["".join(draws.choices(LETTERS + " ", k=40)) for _ in range(max(2, ids // PER_PRODUCT))]
    good: list[int] = []  # the last events that may be sent again
    number = 0
    while True:
        event = _event(draws, number, f"offer-{draws.randrange(ids)}", texts, photos, good)
        if event.again is None and not event.doomed and event.to == "offers":
            good = [*good[-50:], number]
        yield event
        number += 1


def _event(  # noqa: PLR0917
    draws: random.Random, number: int, offer_id: str, texts: list[str], photos: str, good: list[int]
) -> Event:
    key = offer_id.encode()
    roll = draws.random()
    if roll < 0.07:
        return Event(number=number, key=key, value=None)
    if roll < 0.09 and good:
        return Event(number=number, key=key, value=None, again=draws.choice(good))
    if roll < 0.11:
        return _rubbish(draws, number)
    if roll < 0.115:
        value = draws.choice((b"", b"\xff\xfe", b"no MessagePack", b"\x93\x01\x02", bytes(300)))
        return Event(number=number, to="features", key=b"stranger-%d" % number, value=value, doomed=True)
    fields: dict[str, object] = {
        "offer_id": offer_id,
        "seller_id": f"seller-{draws.randrange(20)}",
        "title": _mistyped(draws, draws.choice(texts)),
        "price": {"amount": draws.randrange(100, 100_000) / 100, "currency": "EUR"},
    }
    if roll < 0.15:
        fields["image_urls"] = [f"{photos}/{draws.randrange(8)}.jpg?{number}"]
    elif roll < 0.152:
        fields["description"] = draws.choice(LETTERS) * LONG
    return Event(number=number, key=key, value=msgspec.json.encode(fields))


def _mistyped(draws: random.Random, text: str) -> str:
    if draws.random() < 0.5:
        return text
    at = draws.randrange(len(text))
    return text[:at] + draws.choice(LETTERS) + text[at + 1 :]


def _rubbish(draws: random.Random, number: int) -> Event:
    """None of it can be read as an offer."""
    name = f"rubbish-{number}"
    other = msgspec.json.encode({"offer_id": f"not-{name}", "title": "another's"})
    empty = msgspec.json.encode({"offer_id": name})
    value = draws.choice((b"\xff\x00", b"[1, 2]", b'{"offer_id": ', other, empty))
    if draws.random() < 0.1:
        value = draws.randbytes(LONG)
    return Event(number=number, key=name.encode(), value=value, doomed=True)
