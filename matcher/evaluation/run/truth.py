"""What is known to be true: the product of each offer, and its seller where that is known."""

from collections.abc import Mapping

from msgspec import Struct


class Truth(Struct, frozen=True, kw_only=True):
    """Offer → product and offer → seller. `skipped` rows of the truth named no product or could not be read."""

    products: Mapping[str, str]
    sellers: Mapping[str, str] = {}
    skipped: int = 0
