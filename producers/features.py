"""Records for `offer-features`: the features of a version, and the null that says an offer was withdrawn."""

import msgspec
import numpy as np

from matcher.encoding import RawFeatures
from matcher.events.dead_letter import offer_version
from matcher.events.envelope import ENCODED, MSGPACK, WITHDRAWN, Envelope, Outgoing, Record, read_envelope
from matcher.events.features import OfferFeatures, PhotoFailure, encode_features
from matcher.events.offer import Offer
from matcher.numbers import numeric_vector

SOURCE = "/offermatch/encoder"


def features_record(
    record: Record,
    offer: Offer,
    raw: RawFeatures,
    *,
    encoder: str,
    topic: str,
    repairs: tuple[str, ...],
    photo_failures: tuple[PhotoFailure, ...],
) -> Outgoing:
    """The features of the version that `record` of `offers` holds. Photos inside the event stay behind in `offers`."""
    features = OfferFeatures(
        offer=_without_data_urls(offer),
        version=offer_version(record),
        cause=record.place,
        encoder=encoder,
        image=None if raw.image is None else np.asarray(raw.image, "<f2").tobytes(),
        text=None if raw.text is None else np.asarray(raw.text, "<f2").tobytes(),
        numbers=numeric_vector(offer.n_sizes, offer.price.amount if offer.price else None).astype("<f4").tobytes(),
        image_count=raw.image_count,
        photo_failures=photo_failures,
        repairs=repairs,
    )
    return _outgoing(record, offer.offer_id, topic, ENCODED, encode_features(features))


def withdrawn_record(record: Record, *, topic: str) -> Outgoing:
    """The null that follows a null in `offers`; its version travels in the headers."""
    return _outgoing(record, (record.key or b"").decode("utf-8", "replace"), topic, WITHDRAWN, None)


def _outgoing(record: Record, offer_id: str, topic: str, kind: str, value: bytes | None) -> Outgoing:
    seen = read_envelope(record)
    version = offer_version(record)
    envelope = Envelope(
        id=f"features-{version}",
        source=SOURCE,
        type=kind,
        time_ms=record.timestamp_ms if seen.time_ms is None else seen.time_ms,
        subject=offer_id,
        content_type=MSGPACK,
        version=version,
        cause=record.place,
        traceparent=seen.traceparent,
    )
    key = offer_id.encode() if value is not None else record.key
    return Outgoing(topic=topic, key=key, value=value, headers=envelope.headers())


def _without_data_urls(offer: Offer) -> Offer:
    kept = tuple(url for url in offer.image_urls if url[:5].lower() != "data:")
    if len(kept) == len(offer.image_urls):
        return offer
    return msgspec.structs.replace(offer, image_urls=kept)
