"""A bundle whose learned projection gives chosen embeddings, and the raw features that it gives them for.

Embeddings of a feed from a seed are what an index is measured on; a matcher process begins with raw features. These
are of the starter encoder's sizes, so that decoding and projecting cost what they do in earnest.
"""

from typing import Final

import msgspec
import numpy as np

from matcher.arrays import F16Array, F32Array
from matcher.model import load_bundle
from matcher.model.bundle import Bundle, EncoderFacts
from matcher.model.kinds import Inputs, Linear
from matcher.model.network import Layer, Network

IMAGE_DIM: Final = 1280
TEXT_DIM: Final = 384
_WEIGHT: Final = 0.7
_FLAGS: Final = 2  # columns that say whether image and text are missing


class Lifting:
    """The same for every run of one `seed`. `dim`: of the embeddings, at most `TEXT_DIM`."""

    def __init__(self, dim: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._image = _orthonormal(random, IMAGE_DIM, dim)
        self._text = _orthonormal(random, TEXT_DIM, dim)
        self._dim = dim

    def bundle(self) -> Bundle:
        """Without a verifier: what comes of the features of `image` and `text` is the embedding that they are of."""
        matrix = np.concatenate([self._image.T, self._text.T, np.zeros((self._dim, _FLAGS), np.float32)], axis=1)
        network = Network([Layer(matrix, np.zeros(self._dim, np.float32))])
        return msgspec.structs.replace(
            load_bundle("untrained"),
            name="benchmark",
            encoder=EncoderFacts(model="benchmark", fingerprint="0" * 16, image_dim=IMAGE_DIM, text_dim=TEXT_DIM),
            projection=Linear(
                dim=self._dim,
                inputs=Inputs(image_weight=_WEIGHT, text_weight=_WEIGHT, numbers=None),
                weights=network.digest,
            ),
            network=network,
        )

    def image(self, embeddings: F32Array) -> F16Array:
        """f16[n, IMAGE_DIM], of embeddings f32[n, dim]"""
        return (embeddings @ self._image.T).astype(np.float16)

    def text(self, embeddings: F32Array) -> F16Array:
        """f16[n, TEXT_DIM], of embeddings f32[n, dim]"""
        return (embeddings @ self._text.T).astype(np.float16)


def _orthonormal(random: np.random.Generator, rows: int, columns: int) -> F32Array:
    made, _ = np.linalg.qr(random.standard_normal((rows, columns)))
    return made.astype(np.float32)
