"""What a state refuses before it writes anything: changes that are not made for it."""

from __future__ import annotations

import numpy as np

from index_store.rows import Changes, Identity


def check_changes(changes: Changes, identity: Identity) -> None:
    """Raises `ValueError` as `State.apply` says."""
    for topic, partition in changes.positions:
        if topic not in identity.topics:
            raise ValueError(f"topic {topic!r} (partition {partition}) is not of {identity.topics}")
    shape = (identity.dim,)
    for row in changes.features:
        if not isinstance(row.vector, np.ndarray) or row.vector.dtype != np.float32 or row.vector.shape != shape:
            raise ValueError(f"the vector of offer {row.offer_id!r} {row.version} must be f32[{shape[0]}]")
        if not identity.raw_features and (row.image is not None or row.text is not None):
            raise ValueError(f"offer {row.offer_id!r} {row.version} brings raw features; this state keeps none")
    if not identity.blocks and (changes.blocks or any(row.block for row in changes.features)):
        raise ValueError("the changes bring blocks; this state has none")
    if changes.features:
        vectors = np.stack([row.vector for row in changes.features])
        with np.errstate(over="ignore"):
            rounded = vectors.astype(np.float16).astype(np.float32)
        bad = np.flatnonzero(~((vectors == rounded) & np.isfinite(vectors)).all(axis=1))
        if len(bad):
            row = changes.features[bad[0]]
            raise ValueError(
                f"the vector of offer {row.offer_id!r} {row.version} must be finite and rounded to fp16: the "
                "state keeps fp16, and a restart would search other vectors"
            )
