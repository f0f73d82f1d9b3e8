"""What is asked of an index: everything, or by brand, with two thirds, a third or a tenth of the brands missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.index.feed import Feed, brands
from index_store.store import NO_BLOCK, BlockCodes, Hits, Keys, Vectors

K: Final = 10
_ROWS: Final = 32_768


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """blocks: i32[offers], the brands of all offers that do not ask; asked: f32[n, dim], those that do, and allowed
    i32[n, 1] their brands, None if everything may be found"""

    name: str
    blocks: BlockCodes
    asked: Vectors
    allowed: BlockCodes | None


def make_cases(feed: Feed, asking: int, seed: int) -> list[Case]:
    """The last `asking` offers of the feed ask (in a case with brands, those with one), the index is of the others."""
    offers = len(feed.vectors) - asking
    asked = feed.vectors[offers:].astype(np.float32)
    cases = []
    for name, missing in (("two_thirds_missing", 2 / 3), ("third_missing", 1 / 3), ("tenth_missing", 0.1)):
        for tied in (True, False):
            codes = brands(feed, missing, tied=tied, seed=seed)
            known = np.flatnonzero(codes[offers:] != NO_BLOCK)
            kind = "tied" if tied else "independent"
            cases.append(Case(f"{name}_{kind}", codes[:offers], asked[known], codes[offers:][known, None]))
    everything = Case("all", cases[1].blocks, asked, None)
    return [everything, *cases]


def exact(vectors: npt.NDArray[np.float16], offers: Keys, case: Case) -> Hits:
    """The K best of each query among these offers (rows of `vectors`) as far as they are allowed to it."""
    scores = np.full((len(case.asked), K), -np.inf, np.float32)
    keys: Keys = np.full((len(case.asked), K), -1, np.int64)
    for start in range(0, len(offers), _ROWS):
        part = offers[start : start + _ROWS]
        found = case.asked @ vectors[part].astype(np.float32).T
        if case.allowed is not None:
            blocks = case.blocks[None, part]
            found[(blocks != NO_BLOCK) & (blocks != case.allowed)] = -np.inf
        rows = np.argpartition(-found, min(K, len(part)) - 1, axis=1)[:, :K]
        scores = np.concatenate([scores, np.take_along_axis(found, rows, axis=1)], axis=1)
        keys = np.concatenate([keys, part[rows]], axis=1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        scores, keys = np.take_along_axis(scores, best, axis=1), np.take_along_axis(keys, best, axis=1)
    return Hits(keys, scores)


def recall(found: Hits, best: Hits) -> float:
    """Share of the exact K best that were found; another entry of the very same score is as good."""
    least = best.scores[:, -1:] - np.float32(1e-6)
    wanted = np.isfinite(best.scores).sum()
    hits = ((found.scores >= least) & np.isfinite(found.scores)).sum()
    return float(hits / max(1, wanted))
