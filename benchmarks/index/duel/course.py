"""The course that every index runs: the same offers, queries and changes, and the exact answers to judge by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.index.cases import Case, exact, recall
from benchmarks.index.feed import DIM, brands, make_feed
from benchmarks.index.rivals.rival import Brands, Keys, Offers, Vectors
from index_store.store import NO_BLOCK, Hits

ASKING: Final = 1024
SAMPLE: Final = 256
"""Of the queries, so many choose the effort; the others are measured."""

BATCH: Final = 64
LARGE_BATCH: Final = 1000
MIXED_ROUNDS: Final = 32
_MISSING: Final = 2 / 3  # of the brands
_LARGE_ROUNDS: Final = 20
_NEW: Final = BATCH // 2  # of the offers in a mixed round; as many go


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """file: vectors f16[rows, DIM], of which the first `size` fill the index, each with its number as key
    brands: i32[rows]; queries f32[ASKING, DIM] with query_brands i32[ASKING]
    large: keys and rows i64[rounds, LARGE_BATCH], offers that are replaced; mixed: likewise i64[MIXED_ROUNDS, BATCH],
        half of them new; gone: i64[MIXED_ROUNDS, BATCH / 2], keys that are removed
    """

    file: Path
    size: int
    brands: Brands
    queries: Vectors
    query_brands: Brands
    large: tuple[Keys, Keys]
    mixed: tuple[Keys, Keys]
    gone: Keys

    def offers(self, progress: object) -> Offers:
        """What fills the index; `progress.value` is set to how many were handed out."""

        def tell(count: int) -> None:
            progress.value = count  # type: ignore[attr-defined]

        return Offers(self.file, self.brands, self.size, tell)

    def branded(self) -> Keys:
        """The numbers of the measured queries that have a brand."""
        return SAMPLE + np.flatnonzero(self.query_brands[SAMPLE:] != NO_BLOCK)

    def rows_by_key(self, *, changed: bool) -> Keys:
        """i64[keys]: the row of each key, -1 where there is none; before the changes or after all of them."""
        keys, rows = self.mixed
        by_key: Keys = np.full(int(keys.max()) + 1, -1, np.int64)
        by_key[: self.size] = np.arange(self.size)
        if changed:
            by_key[self.large[0].ravel()] = self.large[1].ravel()
            by_key[keys.ravel()] = rows.ravel()
            by_key[self.gone.ravel()] = -1
        return by_key


def make_course(size: int, folder: Path) -> Course:
    """The course for so many offers, always the same; its vectors go into `folder`, 400 bytes an offer. Takes some 3 KB
    of memory an offer."""
    rounds = max(1, min(_LARGE_ROUNDS, size // 5 // LARGE_BATCH))
    changes = rounds * LARGE_BATCH + MIXED_ROUNDS * BATCH
    feed = make_feed(size + changes + ASKING, seed=size)
    codes = brands(feed, _MISSING, tied=False, seed=size + 1)
    file = folder / "vectors.f16"
    feed.vectors[:-ASKING].tofile(file)
    keys = np.random.default_rng(size + 2).permutation(size)
    large, mixed, gone = np.split(keys[:changes], [rounds * LARGE_BATCH, rounds * LARGE_BATCH + MIXED_ROUNDS * _NEW])
    rows = np.arange(size, size + changes)
    new = rows[-MIXED_ROUNDS * _NEW :].reshape(MIXED_ROUNDS, _NEW)
    return Course(
        file=file,
        size=size,
        brands=codes[:-ASKING],
        queries=feed.vectors[-ASKING:].astype(np.float32),
        query_brands=codes[-ASKING:],
        large=(large.reshape(rounds, -1), rows[: rounds * LARGE_BATCH].reshape(rounds, -1)),
        mixed=(
            np.concatenate([mixed.reshape(MIXED_ROUNDS, _NEW), new], axis=1),
            rows[rounds * LARGE_BATCH :].reshape(MIXED_ROUNDS, BATCH),
        ),
        gone=gone[: MIXED_ROUNDS * _NEW].reshape(MIXED_ROUNDS, _NEW),
    )


class Judge:
    """Says how much of what is right was found."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self._vectors = np.memmap(course.file, np.float16, "r").reshape(-1, DIM)
        self._rows = {changed: course.rows_by_key(changed=changed) for changed in (False, True)}
        self._best: dict[tuple[bool, bool], Hits] = {}

    def recall(self, queries: Keys, found: Keys, *, branded: bool, changed: bool) -> float:
        """Share of the exact K best of these queries (numbers) among the keys found, i64[n, K]. What is there no more,
        comes twice or is not of an allowed brand counts as not found."""
        best = self._exact(branded, changed)
        rows_by_key = self._rows[changed]
        rows = np.where(found < len(rows_by_key), rows_by_key[np.clip(found, 0, len(rows_by_key) - 1)], -1)
        wrong = (found < 0) | (rows < 0)
        order = np.argsort(found, axis=1, kind="stable")
        ordered = np.take_along_axis(found, order, axis=1)
        twice = np.zeros_like(wrong)
        np.put_along_axis(twice, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
        wrong |= twice
        if branded:
            codes = self.course.brands[rows]
            wrong |= (codes != NO_BLOCK) & (codes != self.course.query_brands[queries][:, None])
        vectors = self._vectors[np.where(wrong, 0, rows)].astype(np.float32)
        scores = np.einsum("qd,qkd->qk", self.course.queries[queries], vectors)
        scores = np.where(wrong, -np.inf, scores).astype(np.float32)
        return recall(Hits(found, scores), Hits(best.keys[queries], best.scores[queries]))

    def _exact(self, branded: bool, changed: bool) -> Hits:
        """Of every query; of one without a brand, in a case of brands, what of the brandless it may find."""
        if (branded, changed) not in self._best:
            rows = self._rows[changed]
            course = self.course
            allowed = course.query_brands[:, None] if branded else None
            case = Case("", course.brands, course.queries, allowed)
            self._best[branded, changed] = exact(self._vectors, rows[rows >= 0], case)
        return self._best[branded, changed]
