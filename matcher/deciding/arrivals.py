"""What arrives on `offer-features`, read and checked: the features of a version, or its withdrawal."""

from msgspec import Struct

from matcher.events.dead_letter import Failure
from matcher.events.envelope import Record, Seen, read_envelope
from matcher.events.features import OfferFeatures, read_features
from matcher.events.place import Version
from matcher.events.reading import Unreadable, read_key
from matcher.model.bundle import Bundle
from matcher.model.projection import check_features


class Arrival(Struct, frozen=True, kw_only=True):
    """One readable record. `features` is None when the offer was withdrawn."""

    record: Record
    seen: Seen
    offer_id: str
    version: Version
    features: OfferFeatures | None

    @property
    def seller_id(self) -> str | None:
        return self.features.offer.seller_id if self.features else None


def read_arrival(record: Record, bundle: Bundle) -> Arrival | Failure:
    """Decodes one record; what cannot be decoded, or does not fit the bundle, is a `Failure`."""
    seen = read_envelope(record)
    try:
        if record.value is None:
            return _withdrawal(record, seen)
        features = read_features(record.key, record.value)
    except Unreadable as error:
        return Failure(stage="matcher", reason=error.reason, message=str(error))
    refused = check_features(features, bundle)
    if refused is not None:
        return refused
    return Arrival(
        record=record, seen=seen, offer_id=features.offer.offer_id, version=features.version, features=features
    )


def _withdrawal(record: Record, seen: Seen) -> Arrival:
    offer_id = read_key(record.key)
    if seen.version is None:
        raise Unreadable("no_version", "expected the header ce_offerversion, like 3-1042, on a null value")
    return Arrival(record=record, seen=seen, offer_id=offer_id, version=seen.version, features=None)
