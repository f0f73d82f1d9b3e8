"""Names that follow from the log, so that nobody has to hand them out."""

import uuid

from matcher.events.place import Version

_PRODUCTS = uuid.UUID("6f66660a-6d61-5463-8870-726f64756374")
_REVIEWS = uuid.UUID("6f66660a-6d61-5463-8872-657669657773")


def product_id(offer_id: str, version: Version) -> str:
    """The UUIDv5 of a product's founding version. A version founds one product at most, so it is never used again."""
    return str(uuid.uuid5(_PRODUCTS, f"{offer_id}@{version}"))


def review_id(offer_id: str, version: Version) -> str:
    """The UUIDv5 of the version that a person is asked about."""
    return str(uuid.uuid5(_REVIEWS, f"{offer_id}@{version}"))
