"""The layers of a learned projection, computed so that every machine and every batch gives the same bits.

Inputs and weights are rounded to integers of 26 bits, relative to the largest that can occur. A float64 holds integers
up to 2⁵³, so that every product and every partial sum is exact: the result is the same in whatever order a matrix
library adds up, for one offer as for thousands. The error, about 2⁻²⁰, vanishes when embeddings are rounded to fp16.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from matcher.arrays import F32Array, F64Array

#: No input vector (`matcher.model.inputs`), with the 1 that the bias is multiplied by, is longer than this.
INPUT_BOUND = 8.0
_BITS = 26


@dataclass(frozen=True, eq=False)
class Layer:
    """`matrix` f32[out, in], `bias` f32[out], all finite."""

    matrix: F32Array
    bias: F32Array


class Network:
    """One layer, or several with ReLU between them. Equal to another when their weights are.

    ValueError when shapes do not fit together or a weight is not finite.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        width = None
        for layer in self.layers:
            out = len(layer.matrix)
            if layer.matrix.ndim != 2 or layer.bias.shape != (out,) or width not in (None, layer.matrix.shape[1]):
                raise ValueError(f"expected layers that fit, got {layer.matrix.shape} with a bias {layer.bias.shape}")
            if not (np.isfinite(layer.matrix).all() and np.isfinite(layer.bias).all()):
                raise ValueError("expected finite weights, got NaN or infinity")
            width = out
        if width is None:
            raise ValueError("expected at least one layer")

    @cached_property
    def digest(self) -> str:
        """sha256 over the shapes and fp32 bytes of all layers."""
        digest = hashlib.sha256()
        for layer in self.layers:
            for array in (layer.matrix, layer.bias):
                digest.update(str(array.shape).encode())
                digest.update(np.ascontiguousarray(array, "<f4").tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def apply(self, inputs: F64Array) -> F64Array:
        """`f64[n, in]`, rows no longer than 7.9, to `f64[n, out]`."""
        rows = inputs
        for number, layer in enumerate(self._exact):
            if number:
                rows = np.maximum(rows, 0.0)
            rows = layer.apply(rows)
        return rows

    @cached_property
    def _exact(self) -> tuple["_ExactLayer", ...]:
        layers, bound = [], INPUT_BOUND
        for layer in self.layers:
            exact = _ExactLayer(layer, bound)
            layers.append(exact)
            bound = exact.output_bound
        return tuple(layers)


class _ExactLayer:
    """A layer in integers. `bound`: no input row, with the 1 for the bias, is longer."""

    def __init__(self, layer: Layer, bound: float) -> None:
        full = np.concatenate([layer.matrix, layer.bias[:, None]], axis=1).astype(np.float64)
        longest = float(np.sqrt(np.square(full).sum(axis=1).max()))
        self._input_unit = 2.0 ** (_BITS - _exponent(bound))
        weight_unit = 2.0 ** (_BITS - _exponent(longest))
        self._weights = np.ascontiguousarray(np.rint(full * weight_unit).T)
        self._back = 1.0 / (self._input_unit * weight_unit)
        #: Of the output with a 1 for the next layer's bias, by Cauchy and Schwarz; a little more for the rounding.
        self.output_bound = 1.001 * bound * math.sqrt(float(np.square(full).sum())) + 1.0

    def apply(self, rows: F64Array) -> F64Array:
        whole = np.rint(rows * self._input_unit)
        return np.asarray((whole @ self._weights[:-1] + self._input_unit * self._weights[-1]) * self._back)


def _exponent(bound: float) -> int:
    """The smallest e with bound ≤ 2^e."""
    return math.frexp(bound)[1]
