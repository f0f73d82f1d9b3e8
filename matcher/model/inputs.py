"""From raw features to the inputs of a learned projection: blocks side by side, scaled as the bundle says."""

import numpy as np

from matcher.arrays import F16Array, F64Array
from matcher.model.kinds import Inputs
from matcher.training.dataset import Features

#: A number is cut off so many deviations from the mean: feeds hold prices of 10⁹.
CUT_OFF = 4.0


def input_rows(features: Features, inputs: Inputs) -> F64Array:
    """`f64[n, width]`, in the order that `Inputs` describes, each row shorter than 7.9; it depends on its offer alone.

    An image or text of zeros points nowhere and counts as missing.
    """
    blocks, missing = [], []
    for vectors, weight in ((features.image, inputs.image_weight), (features.text, inputs.text_weight)):
        if weight:
            unit, absent = _unit(vectors)
            blocks.append(unit * weight)
            missing.append(absent[:, None].astype(np.float64))
    if inputs.numbers:
        known = np.isfinite(features.numbers)
        scaled = (features.numbers.astype(np.float64) - inputs.numbers.means) / np.array(inputs.numbers.deviations)
        cut = np.clip(np.where(known, scaled, 0.0), -CUT_OFF, CUT_OFF)
        blocks.append(cut * inputs.numbers.weight)
        missing.append(~known * inputs.numbers.weight)
    return np.concatenate([*blocks, *missing], axis=1)


def _unit(vectors: F16Array) -> tuple[F64Array, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Rows of unit length, and which are all zeros. Sums within a row, so that no other row changes its bits."""
    wide = np.ascontiguousarray(vectors, np.float64)
    norms = lengths(wide)
    absent = norms == 0
    return np.divide(wide, norms[:, None], out=np.zeros_like(wide), where=~absent[:, None]), absent


def lengths(rows: F64Array) -> F64Array:
    """`f64[n]`: the length of each row, the same bits whatever the other rows: BLAS would not promise that."""
    return np.asarray(np.sqrt(np.square(rows).sum(axis=1)))
