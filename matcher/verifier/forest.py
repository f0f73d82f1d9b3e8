"""Boosted trees as plain arrays: evaluated for many pairs at once, and taken apart into what each evidence added."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from matcher.arrays import BoolArray, F32Array, F64Array, I32Array, I64Array

#: Pairs that walk the trees at once: what they need stays in the cache.
_STRIP = 512
MAX_DEPTH = 32


@dataclass(frozen=True, eq=False)
class Forest:
    """n nodes of t trees. A node asks whether evidence `feature` is at most `threshold`; then it goes to `left`, else
    to `right`; a missing value goes left where `missing_left`. A leaf has feature -1.

    `feature`, `left`, `right` i32[n], `threshold` f64[n], `missing_left` bool[n], `roots` i32[t], `base` the log odds
    before any tree. `value` f64[n]: what a leaf adds; of an inner node the mean over the training pairs below it.
    `width`: how many pieces of evidence there are. ValueError on arrays that are no forest.
    """

    width: int
    base: float
    roots: I32Array
    feature: I32Array
    threshold: F64Array
    left: I32Array
    right: I32Array
    missing_left: BoolArray
    value: F64Array

    def __post_init__(self) -> None:
        n = len(self.feature)
        arrays = (self.feature, self.threshold, self.left, self.right, self.missing_left, self.value)
        if any(array.shape != (n,) for array in arrays) or self.roots.ndim != 1:
            raise ValueError("expected one entry a node in every array of the trees")
        inner = self.feature >= 0
        if (self.feature < -1).any() or (self.feature >= self.width).any():
            raise ValueError(f"expected trees that ask for evidence 0 to {self.width - 1}")
        if not (np.isfinite(self.value).all() and np.isfinite(self.threshold[inner]).all() and np.isfinite(self.base)):
            raise ValueError("expected finite values and thresholds in the trees")
        # Children behind their parents: no walk can go round in a circle.
        here = np.flatnonzero(inner)
        for child in (self.left[inner], self.right[inner]):
            if (child <= here).any() or (child >= n).any():
                raise ValueError("expected children behind their parents")
        if (self.roots < 0).any() or (self.roots >= n).any():
            raise ValueError(f"expected roots among the {n} nodes")
        if self.depth > MAX_DEPTH:
            raise ValueError(f"expected trees of depth {MAX_DEPTH} at most, got {self.depth}")

    @cached_property
    def depth(self) -> int:
        """The number of questions on the longest way."""
        below = np.zeros(len(self.feature), np.int64)
        for node in np.flatnonzero(self.feature >= 0)[::-1]:
            below[node] = 1 + max(below[self.left[node]], below[self.right[node]])
        return int(below[self.roots].max(initial=0))

    @property
    def trees(self) -> int:
        return len(self.roots)

    @cached_property
    def digest(self) -> str:
        """sha256 over everything that decides a score."""
        digest = hashlib.sha256(f"{self.width} {self.base!r} {self.trees}".encode())
        for array, form in zip(
            (self.roots, self.feature, self.left, self.right, self.missing_left, self.threshold, self.value),
            ("<i4", "<i4", "<i4", "<i4", "u1", "<f8", "<f8"),
            strict=True,
        ):
            digest.update(np.ascontiguousarray(array).astype(form).tobytes())
        return digest.hexdigest()

    def scores(self, evidence: F32Array) -> F64Array:
        """Log odds f64[m] for evidence f32[m, width]; a row does not depend on the others, not even in its bits."""
        total = np.zeros(len(evidence), np.float64)
        for start in range(0, len(evidence) if self.trees else 0, _STRIP):
            strip = evidence[start : start + _STRIP]
            # One after the other, so that the order of the sum is the same for every number of rows.
            total[start : start + _STRIP] = self.value[self._leaves(strip)].cumsum(axis=1)[:, -1]
        return total + self.base

    def contributions(self, evidence: F32Array) -> F64Array:
        """f64[m, width]: by how much each piece of evidence moved the log odds; with `start` they make up the score.

        On the way down a tree every question moves the expected value; the move is credited to what was asked (Saabas,
        "Interpreting random forests", 2014).
        """
        credit = np.zeros((len(evidence), self.width), np.float64)
        for start in range(0, len(evidence) if self.trees else 0, _STRIP):
            credit[start : start + _STRIP] = self._credits(evidence[start : start + _STRIP])
        return credit

    def _credits(self, evidence: F32Array) -> F64Array:
        """All trees at once. What one pair is credited is added up in an order that does not depend on the others."""
        column, threshold, children = self._walk
        both, first = self._doubled(evidence)
        node = np.broadcast_to(self.roots.astype(np.int64), (len(evidence), self.trees))
        row = (np.arange(len(evidence)) * (self.width + 1))[:, None]
        credit = np.zeros(len(evidence) * (self.width + 1), np.float64)
        for _ in range(self.depth):
            following = children[2 * node + (both[first + column[node]] > threshold[node])]
            # A leaf asks for evidence -1 and moves nothing: it is put into a column of its own, behind the others.
            asked = np.where(self.feature[node] < 0, self.width, self.feature[node])
            moved = self.value[following] - self.value[node]
            credit += np.bincount((row + asked).ravel(), moved.ravel(), len(credit))
            node = following
        return credit.reshape(len(evidence), self.width + 1)[:, : self.width]

    @cached_property
    def start(self) -> float:
        """The log odds before any evidence: the base and the mean of every tree."""
        return self.base + float(self.value[self.roots].sum())

    @cached_property
    def _walk(self) -> tuple[I64Array, F64Array, I64Array]:
        """Column, threshold and the two children of every node, made so that a leaf leads to itself."""
        nodes = np.arange(len(self.feature))
        leaf = self.feature < 0
        column = np.where(leaf, 0, np.where(self.missing_left, self.feature, self.feature + self.width))
        children = np.stack([np.where(leaf, nodes, self.left), np.where(leaf, nodes, self.right)], axis=1)
        # Nothing is above infinity: a leaf always goes to its left, which is itself.
        return column.astype(np.int64), np.where(leaf, np.inf, self.threshold), children.astype(np.int64).ravel()

    def _leaves(self, evidence: F32Array) -> I64Array:
        """i64[m, trees]: where each pair ends up."""
        column, threshold, children = self._walk
        both, first = self._doubled(evidence)
        node = np.broadcast_to(self.roots.astype(np.int64), (len(evidence), self.trees))
        for _ in range(self.depth):
            node = children[2 * node + (both[first + column[node]] > threshold[node])]
        return node

    def _doubled(self, evidence: F32Array) -> tuple[F64Array, I64Array]:
        """The evidence twice, flat, and where each row begins: missing values below everything, then above it."""
        missing = np.isnan(evidence)
        wide = evidence.astype(np.float64)
        both = np.concatenate([np.where(missing, -np.inf, wide), np.where(missing, np.inf, wide)], axis=1).ravel()
        return both, (np.arange(len(evidence)) * 2 * self.width)[:, None]
