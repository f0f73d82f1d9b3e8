"""What the rule of brands costs by itself, whatever index follows it: true neighbours that it excludes.

Sellers write brands in their own ways, so that two offers of one product sometimes conflict. An offer with a brand
finds compatible brands and the brandless; what is lost is counted with exact search, with and without the rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from benchmarks.index.cases import Case, exact
from benchmarks.index.feed import Feed, brands
from index_store.store import NO_BLOCK, Keys

CONFLICTING: Final = 0.07
"""Share of conflicting brands among pairs of offers of one product that both have one."""
_MISSING: Final = 1 / 3


@dataclass(frozen=True, slots=True)
class Blocking:
    """Of the offers of the same product as one that asks, by brand: conflicting: share of those with a brand whose
    brand is another; excluded: share of all that the rule excludes; found, found_free: share among the ten nearest,
    with the rule and without"""

    conflicting: float
    excluded: float
    found: float
    found_free: float


def blocking(feed: Feed, offers: Keys, asking: int, seed: int) -> Blocking:
    """The last `asking` offers of the feed ask, as far as they have a brand, for others among `offers` (rows of it)."""
    rows = np.arange(len(feed.vectors) - asking, len(feed.vectors))
    codes = brands(feed, _MISSING, tied=False, seed=seed, conflicting=CONFLICTING)
    rows = rows[codes[rows] != NO_BLOCK]
    kept = Case("kept", codes, feed.vectors[rows].astype(np.float32), codes[rows, None])
    order = offers[np.argsort(feed.product[offers], kind="stable")]
    first = np.searchsorted(feed.product[order], feed.product[rows], side="left")
    last = np.searchsorted(feed.product[order], feed.product[rows], side="right")
    same = [order[start:end] for start, end in zip(first, last, strict=True)]
    theirs = np.concatenate([codes[one] for one in same])
    own = np.repeat(codes[rows], [len(one) for one in same])
    known = theirs != NO_BLOCK
    conflicting = known & (theirs != own)

    def share(case: Case) -> float:
        found = exact(feed.vectors, offers, case).keys
        hits = sum(int(np.isin(one, keys).sum()) for one, keys in zip(same, found, strict=True))
        return hits / max(1, len(theirs))

    return Blocking(
        conflicting=float(conflicting.sum() / max(1, known.sum())),
        excluded=float(conflicting.mean()) if len(theirs) else 0.0,
        found=share(kept),
        found_free=share(replace(kept, allowed=None)),
    )
