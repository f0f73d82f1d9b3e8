"""The table of all brands seen: a block for each name, and which blocks an offer may be matched with.

The numbers of blocks follow the order of arrival, so a state that holds numbers holds the names too (`names`, to be
given back to the constructor; of those that it has dropped the numbers are left out). What an offer sees does not: a
block is seen exactly if the rule holds for the two offers, whatever else the table knows.
"""

import threading
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from matcher.brands.compatibility import CERTAIN, MIN_PREFIX, ONE_ERROR, errors_allowed
from matcher.brands.names import Brand, brand_named, names_in, read_brand

#: The block of offers without a brand: everyone sees it, and they see everything.
BRANDLESS = -1

NO_NAMES: Mapping[str, int] = {}


class BrandTable:
    """Finding the compatible ones of a brand looks at names with the same first letters and about as many letters.

    Methods may be called from several threads.
    """

    def __init__(self, names: Mapping[str, int] = NO_NAMES) -> None:
        """A table with these canonical names and their blocks: the `names` of an earlier one. Raises as `learn`."""
        self._next = 0
        self._blocks: dict[str, int] = {}
        self._by_key: defaultdict[str, list[int]] = defaultdict(list)
        self._by_part: defaultdict[str, list[int]] = defaultdict(list)
        self._sorted: list[str] = []
        self._alike: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        self._known: dict[int, set[int]] = {}
        self._lock = threading.RLock()
        self.learn(names)

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def names(self) -> Mapping[str, int]:
        """Canonical names with their blocks, by rising number."""
        return dict(self._blocks)

    def learn(self, names: Mapping[str, int]) -> None:
        """Canonical names with the numbers of their blocks, by rising number. Raises `ValueError` for an empty name,
        one that is known, and a number that is not above all before it."""
        with self._lock:
            for name, number in names.items():
                if not name or name in self._blocks or number < self._next:
                    raise ValueError(
                        f"expected names of brands, each once and with rising numbers, got {name!r} as number {number} "
                        f"where the next is {self._next}"
                    )
                self._next = number
                self._add(brand_named(name))

    def block(self, text: str | None) -> int:
        """The block of a brand as a feed writes it, made if it is new; `BRANDLESS` for none."""
        brand = read_brand(text)
        if brand is None:
            return BRANDLESS
        with self._lock:
            block = self._blocks.get(brand.name)
            return self._add(brand) if block is None else block

    def compatible(self, text: str | None) -> frozenset[int] | None:
        """The blocks of all brands that can be this one; None: all there are, since there is no brand.

        The table does not learn the brand by being asked. Offers without a brand (`BRANDLESS`) are always compatible.
        """
        brand = read_brand(text)
        if brand is None:
            return None
        with self._lock:
            block = self._blocks.get(brand.name)
            if block is None:
                return frozenset(self._find(brand))
            if block not in self._known:
                self._known[block] = self._find(brand)
            return frozenset(self._known[block])

    def seen_by(self, brand: str | None, title: str | None) -> frozenset[int] | None:
        """The blocks in which an offer of this brand and title searches, beside `BRANDLESS`; None: it searches all.

        Brands that the title names are added: a shop may have put its own name, or a distributor's, for the brand.
        """
        own = self.compatible(brand)
        if own is None:
            return None
        keys = names_in(title)
        with self._lock:
            return own.union(*(self._by_key[key] for key in keys if key in self._by_key))

    def _add(self, brand: Brand) -> int:
        block, self._next = self._next, self._next + 1
        self._blocks[brand.name] = block
        if brand.key not in self._by_key:
            self._alike[brand.key[:CERTAIN], len(brand.key)].append(brand.key)
            insort(self._sorted, brand.key)
        self._by_key[brand.key].append(block)
        for part in brand.parts:
            self._by_part[part].append(block)
        # Sets that were worked out before the brand came learn of it.
        if self._known:
            for other in self._known.keys() & self._find(brand):
                self._known[other].add(block)
        return block

    def _find(self, brand: Brand) -> set[int]:
        """All known blocks for which `compatible(brand, …)` holds."""
        key = brand.key
        found = set(self._by_part.get(key, ()))
        for other in {*brand.parts, *self._begun_by(key), *self._beginning(key), *self._mistyped(key)}:
            found.update(self._by_key.get(other, ()))
        return found

    def _begun_by(self, key: str) -> Iterable[str]:
        return (key[:length] for length in range(MIN_PREFIX, len(key)))

    def _beginning(self, key: str) -> Iterable[str]:
        if len(key) < MIN_PREFIX:
            return
        for place in range(bisect_left(self._sorted, key), len(self._sorted)):
            if not self._sorted[place].startswith(key):
                return
            yield self._sorted[place]

    def _mistyped(self, key: str) -> Iterable[str]:
        most = errors_allowed(key)
        for length in range(max(ONE_ERROR, len(key) - most), len(key) + most + 1):
            errors = errors_allowed(key[:length])
            names = self._alike.get((key[:CERTAIN], length))
            if names and abs(length - len(key)) <= errors:
                for name, _, _ in extract(key, names, scorer=OSA.distance, score_cutoff=errors, limit=None):
                    yield name
