"""What a target is: a reader of foreign bytes, inputs to begin with, and how to change one without ruining it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from fuzz.mutating import mutated

Check = Callable[[bytes], None]
Change = Callable[[bytes, Random], bytes | None]


@dataclass(frozen=True, kw_only=True)
class Target:
    """`check` returns for every input that the reader reads or refuses as documented, and raises for all else.

    `change` gives a well-formed neighbour of an input, None where there is none. `max_length` of inputs in bytes.
    `rss_mb`: what the child process may hold, some 300 MB of libraries included.
    """

    name: str
    check: Check
    seeds: Callable[[], Sequence[bytes]]
    change: Change = field(default=mutated)
    words: Sequence[bytes] = ()
    max_length: int = 8_192
    rss_mb: int = 1_024


class Undocumented(AssertionError):
    """A reader gave what its contract does not allow."""


def expect(holds: bool, what: str) -> None:
    """Raises `Undocumented`; unlike `assert` also under `python -O`."""
    if not holds:
        raise Undocumented(what)
