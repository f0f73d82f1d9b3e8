"""Finding candidates for a batch that changes what it searches.

Some of what is nearest to an offer may be replaced or withdrawn by an earlier record of the same batch.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from matcher.arrays import F32Array
from matcher.deciding.known import Hit, Memory
from matcher.events.offer import Offer

#: Asked for beyond the candidates: of those nearest to an offer, hardly more than its own last version changes with it.
SPARE = 2


def nearest_beside(
    memory: Memory,
    vectors: F32Array,
    k: int,
    *,
    changing: AbstractSet[str],
    not_sellers: Sequence[str | None] | None,
    by_brand: Sequence[Offer] | None,
) -> list[Sequence[Hit]]:
    """As `Memory.nearest`, with so many hits for each embedding (f32[n, dim]) that k are of offers not in `changing`.

    Fewer only where the memory has no more. Asking at once for as many more as there are changing offers would be
    simpler, and several times as dear for a stream of updates.
    """
    found: list[Sequence[Hit]] = [()] * len(vectors)
    open_, most = list(range(len(vectors))), k + len(changing)
    fetch = min(k + SPARE, most)
    while open_:
        hits = memory.nearest(
            vectors[np.array(open_)],
            fetch,
            None if not_sellers is None else [not_sellers[row] for row in open_],
            None if by_brand is None else [by_brand[row] for row in open_],
        )
        still = []
        for row, its in zip(open_, hits, strict=True):
            found[row] = its
            others = sum(hit.known.offer_id not in changing for hit in its)
            if others < k and len(its) == fetch and fetch < most:
                still.append(row)
        open_, fetch = still, min(4 * fetch, most)
    return found
