"""What each query of a search may find: not its own seller's entries, and none of foreign blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from index_store.store import (
    ANY_BLOCK,
    NO_BLOCK,
    NO_SELLER,
    BlockCodes,
    SellerCodes,
    check_allowed,
    check_sellers,
)


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """not_sellers: i32[n]; blocks: i32[n, m] as in `IndexStore.search`, or None if every query may find all blocks."""

    not_sellers: SellerCodes
    blocks: BlockCodes | None

    @classmethod
    def checked(cls, not_sellers: SellerCodes | None, blocks: BlockCodes | None, queries: int) -> Terms:
        """Of the arguments of a search. Raises `ValueError` for a wrong shape or dtype."""
        if not_sellers is None:
            not_sellers = np.full(queries, NO_SELLER, dtype=np.int32)
        return cls(check_sellers("not_sellers", not_sellers, queries), check_allowed(blocks, queries))

    def of(self, queries: npt.NDArray[np.int64]) -> Terms:
        """Those of some queries."""
        return Terms(self.not_sellers[queries], None if self.blocks is None else self.blocks[queries])

    def allow(self, sellers: SellerCodes, blocks: BlockCodes) -> npt.NDArray[np.bool_]:
        """bool[n, c]: may query i find its candidate j? sellers, blocks i32[n, c], or [1, c] for all queries alike."""
        good: npt.NDArray[np.bool_] = (sellers != self.not_sellers[:, None]) | (self.not_sellers == NO_SELLER)[:, None]
        if self.blocks is not None:
            of_block = (blocks == NO_BLOCK) | (self.blocks[:, :1] == ANY_BLOCK)
            for column in self.blocks.T:
                of_block |= blocks == column[:, None]
            good &= of_block
        return good
