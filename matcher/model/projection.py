"""From raw features to embeddings: vectors whose inner product is the score."""

from collections.abc import Callable, Sequence

import numpy as np

from matcher.arrays import F16Array, F32Array, F64Array
from matcher.events.dead_letter import Failure
from matcher.events.features import OfferFeatures
from matcher.model.bundle import Bundle
from matcher.model.inputs import input_rows, lengths
from matcher.model.kinds import Concatenation, Inputs
from matcher.money import numbers_of
from matcher.numbers import NUMERIC_DIM
from matcher.training.dataset import Features

#: Rows that are projected at once: what is wide stays small beside the features.
_STRIP = 2048
#: The bytes of 0.0 and -0.0; also of some numbers that are next to nothing.
_BYTES_OF_ZEROS = b"\x00\x80"


def check_features(features: OfferFeatures, bundle: Bundle) -> Failure | None:
    """Why the bundle cannot take these features: another encoder made them, or their dimensions are wrong."""
    facts = bundle.encoder
    if features.encoder != facts.fingerprint:
        message = f"expected features of encoder {facts.fingerprint} ({facts.model}), got {features.encoder[:80]!r}"
        return Failure(stage="matcher", reason="foreign_encoder", message=message)
    for name, vector, dim in (
        ("image", features.image_vector(), facts.image_dim),
        ("text", features.text_vector(), facts.text_dim),
        ("numeric", features.numeric_vector(), NUMERIC_DIM),
    ):
        if vector is not None and len(vector) != dim:
            message = f"expected {dim} {name} numbers, got {len(vector)}"
            return Failure(stage="matcher", reason="wrong_dimensions", message=message)
    if not norm_parts(features, bundle):
        message = "expected an image or text vector that the bundle gives weight to and that is not all zeros"
        return Failure(stage="matcher", reason="bad_features", message=message)
    return None


def norm_parts(features: OfferFeatures, bundle: Bundle) -> bool:
    """Whether a modality with weight points anywhere at all. Numbers alone place no offer."""
    weights = bundle.projection if isinstance(bundle.projection, Concatenation) else bundle.projection.inputs
    return bool(
        (weights.image_weight and _points(features.image, features.image_vector))
        or (weights.text_weight and _points(features.text, features.text_vector))
    )


def _points(raw: bytes | None, vector: Callable[[], F16Array | None]) -> bool:
    """Whether the bytes of an fp16 vector are not all zeros, of either sign.

    NumPy lets other threads in for each vector, and where one is busy that takes 0.1 ms, twenty times as long as this.
    """
    if raw is None or raw.lstrip(_BYTES_OF_ZEROS):
        return raw is not None
    exact = vector()
    return exact is not None and bool(exact.any())


def project(batch: Sequence[OfferFeatures], bundle: Bundle) -> F32Array:
    """Embeddings `f32[n, bundle.dim]`, L2-normalised, rounded to what fp16 can hold.

    An offer's embedding does not depend on its batch: the same features give the same bits in every process, and state
    that is read back equals what was searched.
    """
    return project_arrays(stack(batch, bundle), bundle)


def stack(batch: Sequence[OfferFeatures], bundle: Bundle) -> Features:
    """The features of events as arrays. Prices become euros, as in training: events carry the offer's own currency."""
    facts, n = bundle.encoder, len(batch)
    image, text = np.zeros((n, facts.image_dim), np.float16), np.zeros((n, facts.text_dim), np.float16)
    numbers = np.empty((n, NUMERIC_DIM), np.float32)
    for row, features in enumerate(batch):
        for target, vector in ((image, features.image_vector()), (text, features.text_vector())):
            if vector is not None:
                target[row] = vector
        numbers[row] = numbers_of(features.offer)
    has_image = np.array([features.image is not None for features in batch], np.bool_)
    has_text = np.array([features.text is not None for features in batch], np.bool_)
    return Features(image=image, has_image=has_image, text=text, has_text=has_text, numbers=numbers)


def project_arrays(features: Features, bundle: Bundle) -> F32Array:
    """As `project`, for features that are arrays already: the same bits."""
    rows = np.empty((len(features), bundle.dim), np.float32)
    for start in range(0, len(features), _STRIP):
        strip = features.take(np.arange(start, min(start + _STRIP, len(features))))
        if isinstance(bundle.projection, Concatenation):
            wide = _concatenated(strip, bundle.projection)
        else:
            wide = _learned(strip, bundle, bundle.projection.inputs)
        rows[start : start + _STRIP] = wide.astype(np.float16)
    return rows


def _learned(features: Features, bundle: Bundle, inputs: Inputs) -> F64Array:
    """Normalised in float64. The layers are exact (`matcher.model.network`), the rest goes row by row."""
    if bundle.network is None:
        raise ValueError("expected a bundle with its weights, as `load_bundle` reads it")
    rows = bundle.network.apply(input_rows(features, inputs))
    norms = lengths(rows)[:, None]
    return np.divide(rows, norms, out=rows, where=norms > 0)


def _concatenated(features: Features, weights: Concatenation) -> F64Array:
    """Normalised in float64, row by row: BLAS may add up in another order when it gets many."""
    cut = features.image.shape[1]
    rows = np.zeros((len(features), cut + features.text.shape[1]), np.float64)
    for row, image, text in zip(rows, features.image, features.text, strict=True):
        _put(row[:cut], image, weights.image_weight)
        _put(row[cut:], text, weights.text_weight)
        norm = float(np.linalg.norm(row))
        if norm > 0:
            np.divide(row, norm, out=row)
    return rows


def _put(target: F64Array, vector: F16Array, weight: float) -> None:
    if weight == 0:
        return
    wide = vector.astype(np.float64)
    norm = float(np.linalg.norm(wide))
    if norm > 0:
        target[:] = wide * (weight / norm)


def modality_parts(embeddings: F32Array, bundle: Bundle) -> dict[str, F32Array]:
    """The image and the text part of embeddings f32[n, dim], with zeros where an offer lacks the modality.

    Empty for a learned projection, which mixes the modalities: their cosines are those of raw features.
    """
    if not isinstance(bundle.projection, Concatenation):
        return {}
    cut = bundle.encoder.image_dim
    return {"image": embeddings[:, :cut], "text": embeddings[:, cut:]}
