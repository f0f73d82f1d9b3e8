"""Between single and half precision, several times as fast as NumPy, which converts value by value.

Both formats differ in the bias of their exponents (127 and 15) and the length of their fractions: moving bits and
multiplying by a power of two is all there is to it, and the multiplication makes subnormal numbers right as well.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Halves = npt.NDArray[np.float16]
"""Vectors in half precision, f16[n, dim]."""

_BIAS: Final = np.float32(2.0**112)  # 127 - 15
_FRACTION: Final = 13  # bits of a single's fraction that a half has not
_SIGN_AND_REST: Final = np.array([0x8FFFE000], np.uint32).view(np.int32)[0]


def to_singles(halves: Halves) -> npt.NDArray[np.float32]:
    """The same values as f32, in the same shape; they must be finite."""
    bits = halves.view(np.int16).astype(np.int32)
    bits <<= _FRACTION  # the sign is now in four bits instead of one
    bits &= _SIGN_AND_REST
    result = bits.view(np.float32)
    result *= _BIAS
    return result


def to_halves(vectors: npt.NDArray[np.float32]) -> Halves:
    """The same as f16, in the same shape; what is no fp16 value becomes another one that is near or not so near, and
    `to_singles` tells."""
    bits = (vectors * (1 / _BIAS)).view(np.int32)
    signs = bits >> 16
    signs &= 0x8000
    bits >>= _FRACTION
    bits &= 0x7FFF
    bits |= signs
    return bits.astype(np.uint16).view(np.float16)


def to_doubles(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """The same values as f64, in the same shape; halves must be finite."""
    return (to_singles(values) if values.dtype == np.float16 else values).astype(np.float64)
