"""A model that was loaded, before it is placed on a device: the starter and open_clip's own have this in common."""

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class LoadedModel:
    """An open_clip model with its tokeniser, in fp32 on the CPU.

    `model`: has `visual` and `text` towers, `encode_image` and `encode_text`.
    `tokenize`: texts to `i64[n, context]`. `padding`: the token that fills it up, if trailing padding may be cut off
    without changing the features; else None.
    `mean`, `std`: of each colour channel, for pixels between 0 and 1. `resize_mode`: open_clip's `shortest` (then crop
    the centre), `squash` or `longest` (then pad).
    `identity`: what the fingerprint is made of.
    """

    name: str
    model: torch.nn.Module
    tokenize: Callable[[list[str]], torch.Tensor]
    padding: int | None
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    resize_mode: str
    fill: int
    identity: tuple[str, ...]
