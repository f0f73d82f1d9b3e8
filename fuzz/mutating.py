"""Changes that keep JSON and MessagePack well-formed: one value of the tree becomes one that breaks careless readers.

A fuzzer that only flips bytes seldom gets past the parser.
"""

import json
import math
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

#: Stands for what no encoder would write: a value nested deeper than any recursion of Python's.
_DEEP = "\u2193deep"
DEPTH = 3_000

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


def mutated(value: bytes, random: Random) -> bytes | None:
    """`value` with one to three values of its tree changed; None where it is neither JSON nor a MessagePack map."""
    found = _tree(value)
    if found is None:
        return None
    tree, encode = found
    for _ in range(random.randint(1, 3)):
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
        if isinstance(tree, dict | list):
            return tree, encode
    return None


def _json(tree: Any) -> bytes:
    """As Python's own json writes it: NaN, and halves of surrogate pairs as escapes."""
    return json.dumps(tree).encode().replace(json.dumps(_DEEP).encode(), b"[" * DEPTH + b"]" * DEPTH)


def _msgpack(tree: Any) -> bytes:
    return msgspec.msgpack.encode(tree).replace(msgspec.msgpack.encode(_DEEP), b"\x91" * DEPTH + b"\xc0")


def _changed(tree: Any, random: Random) -> Any:
    """A copy in which one node is replaced, dropped, doubled, or put under another name."""
    if not isinstance(tree, dict | list) or not tree or random.random() < 0.1:
        return random.choice(ODD) if random.random() < 0.7 else random.choice(ODD_BINARY)
    if isinstance(tree, dict):
        name = random.choice(list(tree))
        match random.randrange(8):
            case 0:
                return {k: v for k, v in tree.items() if k != name}
            case 1:
                return {**tree, random.choice(("", "x", "ä" * 300, *map(str, tree))): tree[name]}
            case _:
                return {**tree, name: _changed(tree[name], random)}
    place = random.randrange(len(tree))
    match random.randrange(8):
        case 0:
            return tree[:place] + tree[place + 1 :]
        case 1:
            return tree + tree[place : place + 1] * random.choice((1, 100))
        case _:
            return [*tree[:place], _changed(tree[place], random), *tree[place + 1 :]]
