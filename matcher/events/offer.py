"""The public event on `offers`: what a seller says about one item for sale."""

from typing import Annotated

from msgspec import Meta, Struct

MAX_ID = 256
MAX_TITLE = 2_000
MAX_DESCRIPTION = 20_000
MAX_IMAGES = 64
MAX_SIZES = 500
MAX_SIZE = 64
MAX_N_SIZES = 1_000_000
MAX_URL = 2_048
#: A photo may also travel inside the event, as a `data:` URL.
MAX_DATA_URL = 1_000_000

OfferId = Annotated[str, Meta(min_length=1, max_length=MAX_ID, description="unique over all sellers; also the key")]


class Price(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An amount of money, and the ISO 4217 code of its currency where the feed names one."""

    amount: Annotated[float, Meta(ge=0)]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None = None


class Offer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One offer of one seller. Only `offer_id` is required; an offer needs a title, a brand or a photo to be matched.

    What real feeds send instead of this clean form is read by `matcher.events.reading.read_offer`.
    """

    offer_id: OfferId
    seller_id: Annotated[str, Meta(max_length=MAX_ID)] | None = None
    title: Annotated[str, Meta(max_length=MAX_TITLE)] | None = None
    brand: Annotated[str, Meta(max_length=MAX_ID)] | None = None
    description: Annotated[str, Meta(max_length=MAX_DESCRIPTION)] | None = None
    price: Price | None = None
    sizes: Annotated[tuple[Annotated[str, Meta(max_length=MAX_SIZE)], ...], Meta(max_length=MAX_SIZES)] = ()
    n_sizes: (
        Annotated[
            int, Meta(ge=0, le=MAX_N_SIZES, description="how many sizes there are; given or counted from `sizes`")
        ]
        | None
    ) = None
    image_urls: Annotated[
        tuple[str, ...], Meta(max_length=MAX_IMAGES, description="file:, data:, http: or https:")
    ] = ()
    url: Annotated[str, Meta(max_length=MAX_URL)] | None = None
    gtin: Annotated[str, Meta(max_length=64)] | None = None
    mpn: Annotated[str, Meta(max_length=MAX_ID)] | None = None
