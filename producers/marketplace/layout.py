"""Who lists what, and when: arrival number → style, variant and seller, without knowing any other offer.

Offers are laid out in *blocks* of 64 slots. A block holds whole styles (the colour siblings of one model), each with
its products, each with its offers; how many is read from a table of 256 block patterns drawn from the seed. A
permutation then scatters the slots over the arrival order. So that a longer stream begins with the shorter one,
permutations are local to *epochs*, each about twice as long as the one before; so that the rate of new products does
not jump where an epoch begins, there are four interleaved *lanes* whose epochs begin at different times.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

from producers.marketplace.draws import Draws

BLOCK = 64
LANES = 4
_PATTERNS = 256
_EPOCHS = 44

# Most products have a single offer, a few have many (the shape of real marketplaces).
_OFFERS_OF_PRODUCT = (1, 2, 3, 4, 5, 6, 8, 10, 14, 20)
_OFFERS_WEIGHTS = (58, 15, 8, 5, 4, 3, 3, 2, 1, 1)
_VARIANTS_OF_STYLE = (1, 2, 3, 4)
_VARIANTS_WEIGHTS = (35, 27, 23, 15)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an offer stands: `style` is a key, unique in the market; `variant` counts inside the style."""

    style: str
    variant: int
    seller: int


@dataclass(frozen=True, slots=True)
class _Slot:
    style: int
    variant: int
    rank: int


class Layout:
    """The arrangement of one market; constant memory for any number of offers."""

    def __init__(self, seed: int, sellers: int) -> None:
        self._seed = seed
        self._sellers = sellers
        self._patterns: dict[int, list[_Slot]] = {}
        self._starts = [_epoch_starts(lane) for lane in range(LANES)]
        self._strides = [step for step in range(1, sellers + 1) if math.gcd(step, sellers) == 1]

    def place(self, arrival: int) -> Place:
        """The place of offer number `arrival` (0-based)."""
        position, lane = divmod(arrival, LANES)
        starts = self._starts[lane]
        epoch = bisect_right(starts, position) - 1
        start, end = starts[epoch], starts[epoch + 1]
        slot = start + _permuted(position - start, end - start, Draws(self._seed, "epoch", lane, epoch))
        block, index = divmod(slot, BLOCK)
        entry = self._pattern(Draws(self._seed, "pattern", lane, block).below(_PATTERNS))[index]
        style = f"{lane}.{block}.{entry.style}"
        return Place(style, entry.variant, self._seller(style, entry.variant, entry.rank))

    def _pattern(self, number: int) -> list[_Slot]:
        pattern = self._patterns.get(number)
        if pattern is None:
            pattern = self._patterns[number] = _block_pattern(Draws(self._seed, "block", number), self._sellers)
        return pattern

    def _seller(self, style: str, variant: int, rank: int) -> int:
        # Step and size share no divisor, so the ranks of one product (fewer than the sellers) never meet. Sellers are
        # drawn per style, shifted a little per variant: a shop usually carries several colours of a model.
        draws = Draws(self._seed, "sellers-of", style)
        step, first = draws.pick(self._strides), draws.below(self._sellers)
        shift = Draws(self._seed, "sellers-of", style, variant).below(3)
        return (first + (rank + shift) * step) % self._sellers


def _block_pattern(draws: Draws, sellers: int) -> list[_Slot]:
    slots: list[_Slot] = []
    style = 0
    while len(slots) < BLOCK:
        for variant in range(draws.weighted(_VARIANTS_OF_STYLE, _VARIANTS_WEIGHTS)):
            wanted = draws.weighted(_OFFERS_OF_PRODUCT, _OFFERS_WEIGHTS)
            count = min(wanted, sellers, BLOCK - len(slots))
            slots.extend(_Slot(style, variant, rank) for rank in range(count))
        style += 1
    return slots


def _epoch_starts(lane: int) -> list[int]:
    return [0, *(BLOCK * math.floor(2 ** (epoch + lane / LANES)) for epoch in range(_EPOCHS))]


def _permuted(value: int, size: int, draws: Draws) -> int:
    """A keyed permutation of 0 … size-1: multiply and xor-shift on the next power of two, walking back into range."""
    bits = max(2, (size - 1).bit_length())
    mask = (1 << bits) - 1
    rounds = [(draws.bits() | 1, draws.bits()) for _ in range(3)]
    shift = (bits + 1) // 2
    while True:
        for factor, offset in rounds:
            value = (value * factor + offset) & mask
            value ^= value >> shift
        if value < size:
            return value
