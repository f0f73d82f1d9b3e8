"""The inputs of a projection while it learns: scaled by the training data, with modalities taken away at random."""

import numpy as np
import torch
from torch import Tensor

from matcher.arrays import F32Array
from matcher.model.inputs import input_rows
from matcher.model.kinds import Inputs, NumberScaling
from matcher.numbers import NUMERIC_DIM
from matcher.training.dataset import Features
from matcher.training.options import ProjectionOptions

_STRIP = 8192


def scaling(features: Features, options: ProjectionOptions) -> Inputs:
    """How the inputs are to be scaled, from the training offers. Modalities that none of them has are left out."""
    numbers = features.numbers.astype(np.float64)
    known = np.isfinite(numbers)
    count = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, numbers, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, np.square(numbers - means), 0.0).sum(axis=0) / count)
    # A number that is always the same tells nothing: with a deviation of 1 it becomes 0.
    spread[spread == 0] = 1.0
    return Inputs(
        image_weight=options.image_weight if "image" in options.modalities and features.image.any() else 0.0,
        text_weight=options.text_weight if "text" in options.modalities and features.text.any() else 0.0,
        numbers=NumberScaling(means=_three(means), deviations=_three(spread), weight=options.number_weight)
        if "numbers" in options.modalities and known.any()
        else None,
    )


def training_rows(features: Features, inputs: Inputs, *, learn_missing: bool) -> F32Array:
    """`f32[n, width]`, as the matcher computes them; without `learn_missing` nothing says what is missing."""
    width = inputs.width(features.image.shape[1], features.text.shape[1])
    rows = np.empty((len(features), width), np.float32)
    for start in range(0, len(features), _STRIP):
        strip = np.arange(start, min(start + _STRIP, len(features)))
        rows[start : start + _STRIP] = input_rows(features.take(strip), inputs)
    if not learn_missing:
        rows[:, Columns(inputs, features.image.shape[1], features.text.shape[1]).flags :] = 0.0
    return rows


class Columns:
    """Where the blocks are within a row, and how a modality is taken away."""

    def __init__(self, inputs: Inputs, image_dim: int, text_dim: int) -> None:
        image = image_dim if inputs.image_weight else 0
        text = text_dim if inputs.text_weight else 0
        numbers = NUMERIC_DIM if inputs.numbers else 0
        self.flags = image + text + numbers
        flag = self.flags
        self._image, self._text = None, None
        if image:
            self._image = slice(0, image), flag, 1.0
            flag += 1
        if text:
            self._text = slice(image, image + text), flag, 1.0
            flag += 1
        self._numbers = (
            (slice(image + text, self.flags), slice(flag, flag + numbers), inputs.numbers.weight)
            if inputs.numbers
            else None
        )

    def drop(self, rows: Tensor, share: float, generator: torch.Generator, *, flagged: bool) -> None:
        """Takes away image or text from `share` of the offers that have both, and the numbers from `share` of all."""
        chance = torch.rand((3, len(rows)), generator=generator).to(rows.device)
        if self._image and self._text:
            both = rows[:, self._image[0]].any(dim=1) & rows[:, self._text[0]].any(dim=1)
            _blank(rows, both & (chance[0] < share) & (chance[1] < 0.5), *self._image, flagged=flagged)
            _blank(rows, both & (chance[0] < share) & (chance[1] >= 0.5), *self._text, flagged=flagged)
        if self._numbers:
            _blank(rows, chance[2] < share, *self._numbers, flagged=flagged)


def _blank(rows: Tensor, which: Tensor, block: slice, flag: int | slice, weight: float, *, flagged: bool) -> None:
    rows[:, block] *= ~which[:, None]
    if flagged:
        columns = slice(flag, flag + 1) if isinstance(flag, int) else flag
        rows[:, columns] = torch.where(which[:, None], weight, rows[:, columns])


def _three(numbers: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float, float]:
    one, two, three = numbers.tolist()
    return one, two, three
