"""Stretches of different lengths as flat arrays: what NumPy needs so that no loop over cells is in Python."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


def stretches(starts: Numbers, lengths: Numbers) -> Numbers:
    """start, start + 1, … of every stretch, one behind the other: i64[lengths.sum()]."""
    return np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(int(lengths.sum()))


def owners(lengths: Numbers) -> Numbers:
    """The number of the stretch that each element of `stretches` is from: i64[lengths.sum()]."""
    return np.repeat(np.arange(len(lengths)), lengths)


def ranks(groups: Numbers) -> Numbers:
    """How many elements of the same group precede each, for groups in ascending order: i64[n]."""
    if not len(groups):
        return np.zeros(0, np.int64)
    first = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    return np.arange(len(groups)) - np.repeat(first, np.diff(np.r_[first, len(groups)]))
