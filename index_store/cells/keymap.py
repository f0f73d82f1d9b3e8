"""From keys to slots, in 12 bytes a key: a sorted array, and a small sorted one beside it for what came since."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from index_store.store import Keys

Slots = npt.NDArray[np.int64]

_NONE: Final = np.uint32(2**32 - 1)
_RECENT: Final = 65_536  # new keys that are kept apart; merging them in rewrites all


class KeyMap:
    """A map of keys (i64 ≥ 0) to slots (0 ≤ slot < 2**32 − 1); every method takes keys without repetition."""

    def __init__(self) -> None:
        self._runs = [_Run(np.zeros(0, np.int64), np.zeros(0, np.uint32)) for _ in range(2)]
        self._dead = 0

    def find(self, keys: Keys) -> Slots:
        """The slot of each key, -1 where there is none."""
        found = np.full(len(keys), -1, np.int64)
        for run in self._runs:
            at, there = run.find(keys)
            slots = run.slots[at[there]]
            found[there] = np.where(slots == _NONE, found[there], slots.astype(np.int64))
        return found

    def put(self, keys: Keys, slots: Slots) -> None:
        """Give the keys these slots, whether they are known or not."""
        known = np.zeros(len(keys), bool)
        for run in self._runs:
            at, there = run.find(keys)
            self._dead -= int((run.slots[at[there]] == _NONE).sum())
            run.slots[at[there]] = slots[there]
            known |= there
        if not known.all():
            new = ~known
            order = np.argsort(keys[new])
            self._runs[1] = self._runs[1].merged(_Run(keys[new][order], slots[new][order].astype(np.uint32)))
            self._settle()

    def drop(self, keys: Keys) -> None:
        """Forget keys that are known."""
        for run in self._runs:
            at, there = run.find(keys)
            run.slots[at[there]] = _NONE
            self._dead += int(there.sum())
        self._settle()

    def nbytes(self) -> int:
        """Bytes of both arrays."""
        return sum(run.keys.nbytes + run.slots.nbytes for run in self._runs)

    def _settle(self) -> None:
        total = sum(len(run.keys) for run in self._runs)
        if len(self._runs[1].keys) > _RECENT or self._dead > max(1024, total // 4):
            # The dead go first: what is left of a run has no key twice.
            self._runs = [self._runs[0].alive().merged(self._runs[1].alive()), self._runs[1].none()]
            self._dead = 0


class _Run:
    """Sorted keys and their slots; a slot of `_NONE` is a key that was dropped."""

    def __init__(self, keys: Keys, slots: npt.NDArray[np.uint32]) -> None:
        self.keys = keys
        self.slots = slots

    def find(self, keys: Keys) -> tuple[Slots, npt.NDArray[np.bool_]]:
        """Where each key is, and whether it is there."""
        at = np.searchsorted(self.keys, keys)
        there = at < len(self.keys)
        there[there] = self.keys[at[there]] == keys[there]
        return at, there

    def merged(self, other: _Run) -> _Run:
        """Both in one, if they share no key."""
        if not len(other.keys):
            return self
        if not len(self.keys) or self.keys[-1] < other.keys[0]:
            return _Run(np.concatenate([self.keys, other.keys]), np.concatenate([self.slots, other.slots]))
        at = np.searchsorted(self.keys, other.keys) + np.arange(len(other.keys))
        rest = np.ones(len(self.keys) + len(other.keys), bool)
        rest[at] = False
        keys, slots = np.empty(len(rest), np.int64), np.empty(len(rest), np.uint32)
        keys[at], slots[at] = other.keys, other.slots
        keys[rest], slots[rest] = self.keys, self.slots
        return _Run(keys, slots)

    def alive(self) -> _Run:
        there = self.slots != _NONE
        return self if there.all() else _Run(self.keys[there], self.slots[there])

    @staticmethod
    def none() -> _Run:
        return _Run(np.zeros(0, np.int64), np.zeros(0, np.uint32))
