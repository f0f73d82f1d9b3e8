"""What the offers of a plan say, read from the memory only of those whose content somebody needs.

A verifier compares the contents of all candidates. Without one the order comes from embeddings alone, and what stands
in the memory is needed of the best candidate of each offer, and of those that a reviewer is shown.
"""

from collections.abc import Iterable, Sequence

from matcher.deciding.content import Content
from matcher.deciding.known import Memory
from matcher.deciding.plan import Plan


class Contents:
    """By the places of a plan: of offers that arrive at once, of known ones after `read`."""

    def __init__(self, arriving: Sequence[Content], plan: Plan, memory: Memory) -> None:
        """`arriving`: those of the offers of the plan."""
        self._plan = plan
        self._memory = memory
        self._read = dict(enumerate(arriving))

    def __getitem__(self, place: int) -> Content:
        """Raises `KeyError` for a known offer that was not read."""
        return self._read[place]

    def read(self, places: Iterable[int]) -> None:
        """Reads what is missing of these, all at once."""
        missing = sorted({place for place in places if place not in self._read})
        if missing:
            known = [self._plan.known[place - len(self._plan.offered)] for place in missing]
            self._read.update(zip(missing, self._memory.contents(known), strict=True))
