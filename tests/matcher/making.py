"""What the tests of `matcher` build their cases from: records, features, bundles, with everything fixed."""

from collections.abc import Sequence

import msgspec
import numpy as np

from matcher.events.envelope import Headers, Record
from matcher.events.features import OfferFeatures, encode_features
from matcher.events.offer import Offer
from matcher.events.place import Place, Version
from matcher.model.bundle import Bundle, Concatenation, EncoderFacts, Logistic, Search, Thresholds, fingerprint_of

ENCODER = "0123456789abcdef"
NUMBERS = np.array([1.0, 0.0, 2.5], "<f4").tobytes()


def a_bundle(
    *,
    image_dim: int = 4,
    text_dim: int = 4,
    image_weight: float = 0.8,
    text_weight: float = 0.6,
    candidates: int = 3,
    exclude_own_seller: bool = True,
    brand_blocks: bool = False,
    margin: float = 0.05,
    slope: float = 20.0,
    even_score: float = 0.8,
) -> Bundle:
    """Scores from about 0.91 are matches (probability 0.9), from about 0.76 doubtful (0.3)."""
    bundle = Bundle(
        name="test",
        trained=False,
        note="made by a test",
        encoder=EncoderFacts(model="dummy", fingerprint=ENCODER, image_dim=image_dim, text_dim=text_dim),
        projection=Concatenation(image_weight=image_weight, text_weight=text_weight),
        calibration=Logistic(slope=slope, intercept=-slope * even_score),
        thresholds=Thresholds(accept=0.9, review=0.3, margin=margin),
        search=Search(candidates=candidates, exclude_own_seller=exclude_own_seller, brand_blocks=brand_blocks),
        match_rate=0.5,
    )
    return msgspec.structs.replace(bundle, fingerprint=fingerprint_of(bundle))


def half(numbers: Sequence[float] | None) -> bytes | None:
    """fp16 as it travels; None stays None."""
    return None if numbers is None else np.array(numbers, "<f2").tobytes()


def features_of(
    offer: Offer,
    version: Version,
    image: Sequence[float] | None = None,
    text: Sequence[float] | None = None,
    *,
    encoder: str = ENCODER,
    numbers: bytes = NUMBERS,
) -> OfferFeatures:
    return OfferFeatures(
        offer=offer,
        version=version,
        cause=Place("offers", version.partition, version.offset),
        encoder=encoder,
        image=half(image),
        text=half(text),
        numbers=numbers,
        image_count=0 if image is None else 1,
    )


def features_record_of(features: OfferFeatures, offset: int, *, headers: Headers = ()) -> Record:
    """The record on `offer-features` that holds `features`."""
    return Record(
        topic="offer-features",
        partition=0,
        offset=offset,
        key=features.offer.offer_id.encode(),
        value=encode_features(features),
        headers=headers,
        timestamp_ms=1_700_000_000_000 + offset,
    )


def withdrawal_record_of(offer_id: str, version: Version, offset: int) -> Record:
    """The null on `offer-features` that withdraws an offer."""
    return Record(
        topic="offer-features",
        partition=0,
        offset=offset,
        key=offer_id.encode(),
        value=None,
        headers=(("ce_offerversion", str(version).encode()),),
        timestamp_ms=1_700_000_000_000 + offset,
    )
