"""What one version of an offer says, ready for comparing: its fields, the traits a verifier reads, raw features."""

import numpy as np
from msgspec import Struct

from matcher.arrays import F16Array
from matcher.events.features import OfferFeatures
from matcher.events.offer import Offer
from matcher.model.bundle import Bundle, Concatenation
from matcher.money import numbers_of
from matcher.verifier.traits import Traits, read_traits

#: Where the logarithm of the price in euros stands in `numbers_of`.
_LOG_EUROS = 2


class Content(Struct, frozen=True, kw_only=True):
    """All but the embedding. `traits`: None where the bundle has no verifier.

    `image` f16[image_dim], `text` f16[text_dim]: raw features; None where the modality is missing, and for bundles that
    do not keep them (`keeps_raw`).
    """

    offer: Offer
    traits: Traits | None = None
    image: F16Array | None = None
    text: F16Array | None = None


def keeps_raw(bundle: Bundle) -> bool:
    """Whether raw features are kept beside embeddings.

    A concatenation holds each modality in a part of its own, so that its cosines can be read off it; a learned
    projection mixes them. A verifier that was trained on raw cosines must get exactly those.
    """
    wanted = bundle.pair_verifier.cosines if bundle.pair_verifier else ()
    return not isinstance(bundle.projection, Concatenation) or "image_cosine" in wanted or "text_cosine" in wanted


def content_of(features: OfferFeatures, bundle: Bundle) -> Content:
    """The content of an offer that arrives."""
    return read_content(features.offer, features.image, features.text, bundle)


def read_content(offer: Offer, image: bytes | None, text: bytes | None, bundle: Bundle) -> Content:
    """The content of an offer whose raw features are little-endian fp16 bytes, None where missing."""
    traits = None
    if bundle.pair_verifier is not None:
        # As training has it, in float32: see `matcher.verifier.scoring.traits_of`.
        traits = read_traits(offer, float(numbers_of(offer)[_LOG_EUROS]))
    raw = keeps_raw(bundle)
    return Content(
        offer=offer,
        traits=traits,
        image=np.frombuffer(image, "<f2") if raw and image is not None else None,
        text=np.frombuffer(text, "<f2") if raw and text is not None else None,
    )
