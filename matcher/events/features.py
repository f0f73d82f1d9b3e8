"""The event on `offer-features`: what the frozen encoders saw in one version of an offer. MessagePack."""

import math

import msgspec
import numpy as np
from msgspec import Struct

from matcher.arrays import F16Array, F32Array
from matcher.events.offer import Offer
from matcher.events.place import Place, Version
from matcher.events.reading import Unreadable


class PhotoFailure(Struct, frozen=True):
    """A photo that could not be had, and why (one of the reasons in `consumers.photos`)."""

    url: str
    reason: str


class OfferFeatures(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Raw features of one version of an offer; vectors are little-endian bytes, None where the modality is missing.

    `image` (mean over the offer's `image_count` photos) and `text` (brand + title) are fp16, `numbers` is
    f32[3] = [n_sizes, log(n_sizes), log(price)], NaN where missing. `encoder` is the encoder's fingerprint, `repairs`
    names the fields that were not as they should be.
    """

    offer: Offer
    version: Version
    cause: Place
    encoder: str
    image: bytes | None = None
    text: bytes | None = None
    numbers: bytes
    image_count: int = 0
    photo_failures: tuple[PhotoFailure, ...] = ()
    repairs: tuple[str, ...] = ()

    def image_vector(self) -> F16Array | None:
        return None if self.image is None else np.frombuffer(self.image, dtype="<f2")

    def text_vector(self) -> F16Array | None:
        return None if self.text is None else np.frombuffer(self.text, dtype="<f2")

    def numeric_vector(self) -> F32Array:
        return np.frombuffer(self.numbers, dtype="<f4")


_decoder = msgspec.msgpack.Decoder(OfferFeatures)


def encode_features(features: OfferFeatures) -> bytes:
    return msgspec.msgpack.encode(features)


def read_features(key: bytes | None, value: bytes) -> OfferFeatures:
    """Decodes one record of `offer-features`. Raises `Unreadable` with the reason `bad_features` or `key_mismatch`."""
    try:
        features = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable("bad_features", f"expected the MessagePack map of OfferFeatures: {error}") from None
    if key is not None and key != features.offer.offer_id.encode():
        raise Unreadable("key_mismatch", f"expected the record's key to be its offer_id {features.offer.offer_id!r}")
    if features.offer.price is not None and not math.isfinite(features.offer.price.amount):
        # MessagePack can say it, JSON cannot: what the matcher keeps and publishes of it could never be read again.
        raise Unreadable("bad_features", "expected a finite price")
    for name, raw, width in (
        ("image", features.image, 2),
        ("text", features.text, 2),
        ("numbers", features.numbers, 4),
    ):
        if raw is not None and (len(raw) == 0 or len(raw) % width):
            raise Unreadable(
                "bad_features", f"expected `{name}` to hold numbers of {width} bytes, got {len(raw)} bytes"
            )
    for name, vector in (("image", features.image_vector()), ("text", features.text_vector())):
        if vector is not None and not np.isfinite(vector).all():
            raise Unreadable("bad_features", f"expected finite numbers in `{name}`")
    if features.image is None and features.text is None:
        raise Unreadable("bad_features", "expected an image vector, a text vector or both")
    return features
