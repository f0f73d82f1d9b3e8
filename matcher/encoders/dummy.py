"""An encoder without any learned weights, for load and fault runs in which encoding should cost nothing.

It tells equal from different and sees gross colour and shape, no more: hashed character trigrams for text, a coarse
grid of colours and edges for photos. Do not read quality figures off it.
"""

import hashlib
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from matcher.arrays import AnyArray, F32Array
from matcher.encoders.base import EncoderDescription
from matcher.text import TEMPLATE_VERSION

_VERSION = "dummy 1"
_GRID = 8


class DummyEncoder:
    """See `Encoder`. Deterministic to the last bit, on every machine, in every batch."""

    IMAGE_SIZE = 32

    fingerprint = hashlib.sha256(f"{_VERSION}, text template {TEMPLATE_VERSION}".encode()).hexdigest()[:16]
    image_size = IMAGE_SIZE
    image_dim = 5 * _GRID * _GRID
    text_dim = 256

    def preprocess(self, image: Image.Image) -> AnyArray:
        """A photo to `u8[3, 32, 32]`."""
        small = image.convert("RGB").resize((self.IMAGE_SIZE, self.IMAGE_SIZE), Image.Resampling.BOX)
        return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))

    def encode_images(self, pixels: AnyArray) -> F32Array:
        """`u8[n, 3, 32, 32]` to `f32[n, 320]`: red, green, blue, horizontal and vertical edges of an 8 by 8 grid."""
        expected = (3, self.IMAGE_SIZE, self.IMAGE_SIZE)
        if pixels.ndim != 4 or pixels.shape[1:] != expected:
            raise ValueError(f"expected pixels of shape (n, {', '.join(map(str, expected))}), got {pixels.shape}")
        colours = pixels.astype(np.float32) / 255 - 0.5
        grey = colours.mean(axis=1, keepdims=True)
        across = np.abs(np.diff(grey, axis=3, append=grey[..., -1:]))
        down = np.abs(np.diff(grey, axis=2, append=grey[:, :, -1:]))
        planes = np.concatenate([colours, 4 * across, 4 * down], axis=1)
        cell = self.IMAGE_SIZE // _GRID
        grid = planes.reshape(len(pixels), 5, _GRID, cell, _GRID, cell).mean(axis=(3, 5), dtype=np.float32)
        return np.asarray(grid.reshape(len(pixels), self.image_dim), np.float32)

    def encode_texts(self, texts: Sequence[str]) -> F32Array:
        """n texts to `f32[n, 256]`: counts of character trigrams, hashed to a column and a sign."""
        rows = np.zeros((len(texts), self.text_dim), np.float32)
        for row, text in zip(rows, texts, strict=True):
            padded = f" {text.casefold()} "
            for start in range(len(padded) - 2):
                code = zlib.crc32(padded[start : start + 3].encode("utf-8", "replace"))
                row[code % self.text_dim] += 1.0 if code & 0x8000_0000 else -1.0
        return rows

    def warm_up(self) -> None:
        """Nothing to warm."""

    def describe(self) -> EncoderDescription:
        return EncoderDescription(
            name="dummy",
            fingerprint=self.fingerprint,
            device="cpu",
            image_precision="fp32",
            text_precision="fp32",
            image_dim=self.image_dim,
            text_dim=self.text_dim,
            image_size=self.image_size,
            why=("no learned weights: for load and fault runs only",),
        )
