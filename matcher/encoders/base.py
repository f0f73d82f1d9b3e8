"""What every encoder can do, whatever model is behind it."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct
from PIL import Image

from matcher.arrays import AnyArray, F32Array


class EncoderDescription(Struct, frozen=True, kw_only=True):
    """An encoder for logs and reports. `why` says, a sentence each, how device and precision were chosen."""

    name: str
    fingerprint: str
    device: str
    image_precision: str
    text_precision: str
    image_dim: int
    text_dim: int
    image_size: int
    why: tuple[str, ...]


class Encoder(Protocol):
    """Raw features from photos and texts; not normalised, always finite.

    `preprocess` may be called from any number of threads at once. `encode_images` and `encode_texts` are meant for
    one thread. A row does not depend on the other rows of its batch, except in the last bits: matrix libraries choose
    other kernels for other shapes, and padding to the longest text changes how sums are ordered. Expect a relative
    difference of about 1e-6 in fp32 and 1e-2 in bf16; the rows of the same batch are the same every time.
    """

    @property
    def fingerprint(self) -> str:
        """Names everything that decides the features: weights, preprocessing, tokeniser, text template, layout.

        Not the device and not the precision: features of both are comparable, if not equal bit for bit.
        """

    @property
    def image_dim(self) -> int: ...

    @property
    def text_dim(self) -> int: ...

    @property
    def image_size(self) -> int:
        """Side in pixels of what `preprocess` returns. A photo need not be decoded any larger."""

    def preprocess(self, image: Image.Image) -> AnyArray:
        """A photo to `u8[3, image_size, image_size]`, RGB, on the CPU."""

    def encode_images(self, pixels: AnyArray) -> F32Array:
        """`u8[n, 3, image_size, image_size]` to `f32[n, image_dim]`; n may be 0. ValueError on another shape."""

    def encode_texts(self, texts: Sequence[str]) -> F32Array:
        """n texts, as `matcher.text.offer_text` makes them, to `f32[n, text_dim]`; n may be 0."""

    def warm_up(self) -> None:
        """Encodes one photo and one text, so that the first offers do not pay for lazy initialisation."""

    def describe(self) -> EncoderDescription: ...
