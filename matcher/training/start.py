"""Where a projection starts from, and how several linear ones become one."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from matcher.arrays import F32Array
from matcher.model.network import Layer


def random_layers(sizes: Sequence[int], seed: int) -> list[Layer]:
    """Layers between the `sizes`, weights normal with the deviation that keeps lengths as they are, no biases."""
    random = np.random.default_rng(seed)
    return [
        Layer(
            (random.standard_normal((after, before)) / np.sqrt(before)).astype(np.float32), np.zeros(after, np.float32)
        )
        for before, after in pairwise(sizes)
    ]


def whitened(rows: F32Array, dim: int, shrinkage: float) -> Layer:
    """The `dim` strongest principal components of the inputs f32[n, in], each divided by its deviation.

    `shrinkage`: variances move that far towards their mean, so that weak directions, mostly noise, are not blown up.
    Embeddings have length 1 on average. Fewer inputs than `dim` leave rows of zeros.
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = rows - mean.astype(np.float32)
    variances, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64) / max(1, len(rows)))
    variances = np.maximum(variances, 0.0)
    strongest = np.argsort(-variances)[:dim]
    shrunk = (1 - shrinkage) * variances + shrinkage * variances.mean() + 1e-9
    matrix = np.zeros((dim, rows.shape[1]))
    matrix[: len(strongest)] = (directions[:, strongest] / np.sqrt(shrunk[strongest])).T
    matrix /= max(1e-9, float(np.linalg.norm(centred @ matrix.T, axis=1).mean()))
    return Layer(matrix.astype(np.float32), (-matrix @ mean).astype(np.float32))


def averaged(layers: Sequence[Layer], dim: int) -> Layer:
    """One linear map whose inner products are those of all `layers` on average, as nearly as `dim` rows allow.

    Maps of different seeds are rotated against each other, so that their weights cannot be averaged; their metrics
    WᵀW can. The best map of rank `dim` to a metric are its strongest eigenvectors (Eckart and Young).
    """
    stacked = np.concatenate([np.column_stack([layer.matrix, layer.bias]) for layer in layers]).astype(np.float64)
    _, lengths, directions = np.linalg.svd(stacked / np.sqrt(len(layers)), full_matrices=False)
    kept = np.zeros((dim, stacked.shape[1]))
    strongest = lengths[:dim, None] * directions[:dim]
    kept[: len(strongest)] = strongest
    return Layer(kept[:, :-1].astype(np.float32), kept[:, -1].astype(np.float32))
