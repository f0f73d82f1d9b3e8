"""From raw features to embeddings: vectors whose inner product is the score."""

from collections.abc import Sequence

import numpy as np

from matcher.arrays import F16Array, F32Array, F64Array
from matcher.events.dead_letter import Failure
from matcher.events.features import OfferFeatures
from matcher.model.bundle import Bundle
from matcher.numbers import NUMERIC_DIM


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
    """Whether a modality with weight points anywhere at all."""
    weights = bundle.projection
    image, text = features.image_vector(), features.text_vector()
    return bool(
        (weights.image_weight and image is not None and image.any())
        or (weights.text_weight and text is not None and text.any())
    )


def project(batch: Sequence[OfferFeatures], bundle: Bundle) -> F32Array:
    """Embeddings `f32[n, bundle.dim]`, L2-normalised, rounded to what fp16 can hold.

    Computed row by row in float64 and then rounded, so that an offer's embedding does not depend on its batch: the same
    features give the same bits in every process, and state that is read back equals what was searched.
    """
    facts, weights = bundle.encoder, bundle.projection
    rows = np.zeros((len(batch), bundle.dim), np.float64)
    for row, features in zip(rows, batch, strict=True):
        _put(row[: facts.image_dim], features.image_vector(), weights.image_weight)
        _put(row[facts.image_dim :], features.text_vector(), weights.text_weight)
        norm = float(np.linalg.norm(row))
        if norm > 0:
            np.divide(row, norm, out=row)
    return rows.astype(np.float16).astype(np.float32)


def _put(target: F64Array, vector: F16Array | None, weight: float) -> None:
    if vector is None or weight == 0:
        return
    wide = vector.astype(np.float64)
    norm = float(np.linalg.norm(wide))
    if norm > 0:
        target[:] = wide * (weight / norm)


def modality_scores(one: F32Array, other: F32Array, bundle: Bundle) -> dict[str, float]:
    """The cosine within each modality that both embeddings have (f32[dim] each)."""
    cut = bundle.encoder.image_dim
    scores = {}
    for name, part in (("image", slice(0, cut)), ("text", slice(cut, None))):
        left, right = one[part].astype(np.float64), other[part].astype(np.float64)
        scale = float(np.linalg.norm(left) * np.linalg.norm(right))
        if scale > 0:
            scores[name] = float(left @ right) / scale
    return scores
