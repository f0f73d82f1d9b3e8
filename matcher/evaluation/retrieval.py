"""The nearest offers of every query, by exact search: what the decisions of an evaluation are made from."""

import numpy as np
import torch
from msgspec import Struct

from index_store.scores import inner_products
from matcher.arrays import BoolArray, F32Array, F64Array, I64Array
from matcher.evaluation.visibility import Visibility

#: Scores held at once: 128 MiB of float32.
_CHUNK_SCORES = 2**25
#: Fetched beyond k: float32 sums differ in their last bits, and equal scores shall not depend on where a chunk is cut.
_SPARE = 16


class Candidates(Struct, frozen=True, kw_only=True):
    """Of each query (its row, i64[q]) the best offers: `rows` i64[q, k] and `scores` f64[q, k], best first.

    Where fewer than k were found the rest is -1 and -inf.
    """

    queries: I64Array
    rows: I64Array
    scores: F64Array


def nearest(
    embeddings: F32Array,
    queries: I64Array,
    k: int,
    visible: Visibility,
    *,
    without: I64Array | None = None,
    device: str = "cpu",
) -> Candidates:
    """The k offers with the greatest inner product (embeddings f32[n, d]) that each query may see.

    `without` i64[n]: codes of products; offers that share the query's (-1 shares with none) are hidden from it, as if
    they were not in the index. Of equal scores the smaller row comes first. Raises `ValueError` for a wrong shape, a k
    below 1 or embeddings that are not finite.
    """
    if embeddings.ndim != 2 or embeddings.dtype != np.float32 or not np.isfinite(embeddings).all():
        raise ValueError(f"expected finite embeddings f32[n, d], got {embeddings.dtype}{list(embeddings.shape)}")
    if k < 1:
        raise ValueError(f"expected k to be at least 1, got {k}")
    size = len(embeddings)
    rows = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float64)
    search = _Search(embeddings, visible, without, device)
    step = max(1, _CHUNK_SCORES // max(1, size))
    for start in range(0, len(queries), step):
        asked = queries[start : start + step]
        found, known = search.fetch(asked, min(size, k + _SPARE))
        exact = inner_products(embeddings[asked], embeddings[found]).astype(np.float64)
        exact[~known] = -np.inf
        found = np.where(known, found, -1)
        order = np.lexsort((found, -exact), axis=-1)[:, :k]
        width = order.shape[1]
        rows[start : start + step, :width] = np.take_along_axis(found, order, axis=1)
        scores[start : start + step, :width] = np.take_along_axis(exact, order, axis=1)
    return Candidates(queries=queries, rows=rows, scores=scores)


def ranked(candidates: Candidates, scores: F64Array) -> Candidates:
    """The same candidates in the order of other scores f64[q, k]; of equal ones the earlier stays first."""
    final = np.where(candidates.rows >= 0, scores, -np.inf)
    order = np.argsort(-final, axis=1, kind="stable")
    return Candidates(
        queries=candidates.queries,
        rows=np.take_along_axis(candidates.rows, order, axis=1),
        scores=np.take_along_axis(final, order, axis=1),
    )


class _Search:
    """One pass over all offers for a chunk of queries; what a query may not see scores -inf."""

    def __init__(self, embeddings: F32Array, visible: Visibility, without: I64Array | None, device: str) -> None:
        self._base = torch.from_numpy(embeddings).to(device)
        self._sellers = None if visible.sellers is None else torch.from_numpy(visible.sellers).to(device, torch.int32)
        self._arrival = None if visible.arrival is None else torch.from_numpy(visible.arrival).to(device)
        self._without = None if without is None else torch.from_numpy(without).to(device, torch.int32)
        self._allowed = visible.allowed
        self._everyone = np.arange(len(embeddings), dtype=np.int64)
        self._device = device

    def fetch(self, asked: I64Array, k: int) -> tuple[I64Array, BoolArray]:
        """Rows i64[q, k] and whether each may be seen at all, bool[q, k]."""
        rows = torch.from_numpy(asked).to(self._device)
        scores = self._base[rows] @ self._base.T
        scores[torch.arange(len(rows), device=self._device), rows] = -torch.inf
        for names in (self._sellers, self._without):
            if names is not None:
                # -1, no name, equals no one: neither as a query nor as a candidate.
                own = torch.where(names[rows] >= 0, names[rows], -2)[:, None]
                scores.masked_fill_(names[None] == own, -torch.inf)
        if self._arrival is not None:
            scores.masked_fill_(self._arrival[None] >= self._arrival[rows][:, None], -torch.inf)
        if self._allowed is not None:
            open_ = torch.from_numpy(self._allowed(asked, self._everyone)).to(self._device)
            scores.masked_fill_(~open_, -torch.inf)
        best = torch.topk(scores, k, dim=1)
        return best.indices.cpu().numpy(), torch.isfinite(best.values).cpu().numpy()
