"""Conversions between half and single precision agree with NumPy's, value by value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from index_store.cells.incoming import half
from index_store.halves import to_doubles, to_halves, to_singles

ALL = np.arange(2**16, dtype=np.uint16).view(np.float16)
FINITE = ALL[np.isfinite(ALL)]


def test_every_finite_half_becomes_the_single_and_the_double_that_it_is() -> None:
    assert to_singles(FINITE).tobytes() == FINITE.astype(np.float32).tobytes()
    assert to_doubles(FINITE).tobytes() == FINITE.astype(np.float64).tobytes()


def test_every_finite_half_comes_back_from_single_precision() -> None:
    assert to_halves(FINITE.astype(np.float32)).tobytes() == FINITE.tobytes()


def test_a_part_of_a_larger_array_is_converted_like_any_other() -> None:
    table = FINITE[: 62 * 1024].reshape(1024, 62)
    assert np.array_equal(to_singles(table[::3, 5:9]), table[::3, 5:9].astype(np.float32))


def test_what_is_no_number_becomes_none_that_an_index_takes() -> None:
    assert (np.abs(to_singles(ALL[~np.isfinite(ALL)])) > np.finfo(np.float16).max).all()


@given(arrays(np.float32, (3, 4), elements=st.floats(-65504, 65504, width=32)))
def test_values_that_are_no_halves_are_refused_and_all_others_kept(vectors: np.ndarray) -> None:
    rounded = vectors.astype(np.float16).astype(np.float32)
    if np.array_equal(vectors, rounded):
        assert np.array_equal(half(vectors), vectors)
    else:
        with pytest.raises(ValueError, match="rounded to fp16"):
            half(vectors)
