"""Changes that keep JSON and MessagePack well-formed: one value of the tree becomes one that breaks careless readers.

A fuzzer that only flips bytes seldom gets past the parser.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import msgspec

#: Stands for what no encoder would write: a value nested deeper than any recursion of Python's.
_DEEP = "\u2193deep"
DEPTH = 1_500
#: How far down changes are made.
LEVELS = 8

Encode = Callable[[Any], bytes]

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 10**30, 10**400,
    0.0, -0.0, 0.5, 1e308, -1e308, 5e-324, math.inf, -math.inf, math.nan,
    "", " ", "x" * 300, "\0", "\ud800", "NaN", "1e999", "9" * 400, "&#" + "9" * 300 + ";", "\u202e\ufeff",
    "٣", "²", "½",
    "0-9223372036854775808", "data:,", "data:image/png;base64,====", "file:///etc/passwd", "http://[", "1.299,00 €",
    [], {}, [[]], [None] * 70, ["x"] * 600, {"amount": {"amount": {}}}, {"offer_id": None}, _DEEP,
)  # fmt: skip
#: MessagePack has bytes and more; JSON's encoder refuses these, and the change falls back to another.
ODD_BINARY: tuple[Any, ...] = (
    b"", b"\0", b"\xff" * 3, bytes(8), b"\x00\x7c" * 4, b"\x00\x7e" * 4, b"\xff\xfb" * 4, bytes(12), bytes(4_000),
    msgspec.msgpack.Ext(5, b"x"), msgspec.msgpack.Ext(-1, bytes(12)), msgspec.msgpack.Ext(-1, b"\xff" * 12),
)  # fmt: skip
_ALL = (*ODD, *ODD_BINARY)
_OF_KIND = {kind: [one for one in _ALL if type(one) is kind] for kind in (int, float, str, bytes, list, dict)}


def mutated(value: bytes, random: Random) -> bytes | None:
    """`value` with one to three values of its tree changed; None where it is neither a JSON nor a MessagePack tree."""
    found = _tree(value)
    if found is None:
        return None
    tree, encode = found
    for _ in range(random.randint(1, 3)):
        if not tree:
            break
        changed = _changed(tree, random)
        try:
            value = encode(changed)
        except (ValueError, TypeError, OverflowError, RecursionError):
            continue  # no such thing in this format
        tree = changed
    return value


def _tree(value: bytes) -> tuple[Any, Encode] | None:
    for decode, encode in ((msgspec.json.decode, _json), (msgspec.msgpack.decode, _msgpack)):
        try:
            tree = decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, OverflowError):
            continue
        if isinstance(tree, dict | list) and tree:
            return tree, encode
    return None


def _json(tree: Any) -> bytes:
    """As Python's own json writes it: NaN, and halves of surrogate pairs as escapes."""
    return json.dumps(tree).encode().replace(json.dumps(_DEEP).encode(), b"[" * DEPTH + b"]" * DEPTH)


def _msgpack(tree: Any) -> bytes:
    return msgspec.msgpack.encode(tree).replace(msgspec.msgpack.encode(_DEEP), b"\x91" * DEPTH + b"\xc0")


def _changed(tree: Any, random: Random) -> Any:
    """A copy in which one node, any of them as likely, is replaced, dropped, doubled, or gets a neighbour."""
    *path, last = random.choice(list(_paths(tree)))
    return _with(tree, path, lambda parent: _elsewhere(parent, last, random))


def _paths(tree: Any, levels: int = LEVELS) -> Iterator[tuple[Any, ...]]:
    """The way to every node but the root, down to `levels` below it."""
    if levels == 0:
        return
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for place, child in children:
        yield (place,)
        yield from ((place, *rest) for rest in _paths(child, levels - 1))


def _with(tree: Any, path: Sequence[Any], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(tree)
    copy = tree.copy()
    copy[path[0]] = _with(tree[path[0]], path[1:], change)
    return copy


def _elsewhere(parent: Any, place: Any, random: Random) -> Any:
    """`parent`, a dict or list, with what is at `place` changed."""
    what = random.randrange(8)
    if isinstance(parent, dict):
        if what == 0:
            return {name: value for name, value in parent.items() if name != place}
        if what == 1:
            name = random.choice(("", "x", "ä" * 300, *map(str, parent)))
            return {**parent, name: random.choice((parent[place], random.choice(ODD)))}
        return {**parent, place: _odd(parent[place], random)}
    if what == 0:
        return parent[:place] + parent[place + 1 :]
    if what == 1:
        return parent + parent[place : place + 1] * random.choice((1, 100))
    return [*parent[:place], _odd(parent[place], random), *parent[place + 1 :]]


def _odd(value: Any, random: Random) -> Any:
    """Half of the time something of the same kind: what has another type is refused at once."""
    alike = _OF_KIND.get(type(value)) if random.random() < 0.5 else None
    return random.choice(alike or _ALL)
