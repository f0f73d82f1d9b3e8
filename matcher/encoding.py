"""From offers and their photos to raw features: the code that the encoder process, training and evaluation share."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from matcher.arrays import AnyArray, F16Array, F32Array
from matcher.encoders import Encoder
from matcher.events.dead_letter import Failure
from matcher.events.offer import Offer
from matcher.metrics import Metrics
from matcher.text import offer_text

#: Photos that go to the device at once; more in one micro-batch are split. A GPU wants many; on a CPU activations that
#: leave the cache cost more than larger batches gain (179 photos/s by 16 against 97 by 128 in one run, RESULTS.md).
PHOTOS_AT_ONCE = 128
PHOTOS_AT_ONCE_CPU = 16


class Encodable(Struct, frozen=True):
    """An offer and its preprocessed photos, each `[3, S, S]` as `Encoder.preprocess` returns them."""

    offer: Offer
    photos: tuple[AnyArray, ...]


class RawFeatures(Struct, frozen=True, kw_only=True):
    """`image` f16[image_dim]: the mean over `image_count` photos; `text` f16[text_dim]; None where there is nothing."""

    image: F16Array | None
    text: F16Array | None
    image_count: int


def encode_offers(encoder: Encoder, offers: Sequence[Encodable], metrics: Metrics) -> list[RawFeatures | Failure]:
    """Encodes a micro-batch. One result an offer, in order; an offer without text and photo is a `Failure`.

    An error of the device is raised: the caller decides whether to try the offers one by one.
    """
    photos = [photo for offer in offers for photo in offer.photos]
    texts = [offer_text(offer.offer.brand, offer.offer.title) for offer in offers]
    image_rows = _encode_photos(encoder, photos, metrics)
    written = [text for text in texts if text]
    with metrics.stage("encode_texts").time():
        text_rows = encoder.encode_texts(written) if written else None
    results: list[RawFeatures | Failure] = []
    next_photo = next_text = 0
    for offer, text in zip(offers, texts, strict=True):
        image = words = None
        if offer.photos:
            image = image_rows[next_photo : next_photo + len(offer.photos)].mean(axis=0)
            next_photo += len(offer.photos)
        if text and text_rows is not None:
            words = text_rows[next_text]
            next_text += 1
        results.append(_result(image, words, len(offer.photos)))
    return results


def _encode_photos(encoder: Encoder, photos: Sequence[AnyArray], metrics: Metrics) -> F32Array:
    rows = []
    step = PHOTOS_AT_ONCE_CPU if encoder.describe().device.startswith("cpu") else PHOTOS_AT_ONCE
    for start in range(0, len(photos), step):
        with metrics.stage("encode_images").time():
            rows.append(encoder.encode_images(np.stack(photos[start : start + step])))
    return np.concatenate(rows) if rows else np.empty((0, encoder.image_dim), np.float32)


def _result(image: F32Array | None, text: F32Array | None, count: int) -> RawFeatures | Failure:
    if image is None and text is None:
        return Failure(stage="encoder", reason="no_content", message="expected a title, a brand or a photo that loads")
    halves = [None if vector is None else vector.astype(np.float16) for vector in (image, text)]
    if any(half is not None and not np.isfinite(half).all() for half in halves):
        return Failure(stage="encoder", reason="encode_failed", message="the encoder returned numbers beyond fp16")
    return RawFeatures(image=halves[0], text=halves[1], image_count=count)
