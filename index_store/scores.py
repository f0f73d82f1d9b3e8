"""The one score of two vectors: their inner product, summed in double precision and rounded once.

BLAS sums in an order that depends on the size of the batch and on the place of a row in memory, so its
scores change in the last bits when offers arrive in other batches, after a restart for example. Decisions
must not. Vectors of the matcher are rounded to fp16 and have unit length: each product of two such values
needs 22 bits and is a multiple of 2**-48, so a double holds every partial sum exactly and the score does not
depend on the order of summation at all.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from index_store.halves import to_doubles

_CHUNK_VALUES: Final = 2**21  # doubles converted at once: 16 MiB


def inner_products(
    queries: npt.NDArray[np.float32], candidates: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.float32]:
    """Scores f32[n, m] of queries f32[n, dim] and their own candidates f32[n, m, dim] (or f16)."""
    n, m, dim = candidates.shape
    scores = np.empty((n, m), dtype=np.float32)
    step = max(1, _CHUNK_VALUES // max(1, m * dim))
    for start in range(0, n, step):
        part = slice(start, start + step)
        scores[part] = np.einsum("nd,nmd->nm", queries[part].astype(np.float64), to_doubles(candidates[part]))
    return scores


def rounding_bound(dim: int, length: npt.NDArray[np.float64], longest: float) -> npt.NDArray[np.float64]:
    """How far a single-precision inner product, summed in any order, can be from `inner_products`.

    length f64[n]: Euclidean lengths of the queries; longest: the greatest of the other vectors. Source:
    Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1, with Cauchy-Schwarz; one
    more rounding for the result of `inner_products` itself.
    """
    unit = 2.0**-24
    return (dim + 2) * unit / (1 - (dim + 2) * unit) * length * longest
