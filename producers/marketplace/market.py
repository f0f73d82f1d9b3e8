"""The marketplace as a whole: offers in the order of their arrival, and the photo behind every URL in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from producers.marketplace.catalogue import product_of
from producers.marketplace.drawing.photo import Subject, take_photo, views_of
from producers.marketplace.draws import Draws
from producers.marketplace.layout import Layout
from producers.marketplace.listing import RawOffer, write_offer
from producers.marketplace.sellers import Seller, seller_of

DEFAULT_BASE_URL = "http://127.0.0.1:8765"
MOST_PHOTOS = 5
MOST_OFFERS = 10**12
_PHOTO_PATH = re.compile(r"/photos/(0|[1-9][0-9]{0,11})/([1-9])\.jpg")


class UnknownPhotoError(LookupError):
    """No offer of this marketplace has a photo at this path."""


@dataclass(frozen=True, slots=True)
class MarketOffer:
    """An offer and the truth about it: the product that it sells, and the style whose siblings look like it."""

    offer: RawOffer
    product_id: str
    style_id: str


class Marketplace:
    """A simulated market of `offers` offers by `sellers` sellers.

    Everything follows from the seed: offer number i is the same whichever offers were asked for before it, in every
    process, and in a longer market of as many sellers. Memory does not grow with the number of offers. Photo URLs begin
    with `base_url`, so equal bytes need an equal base URL. Photos are equal as long as Pillow and its JPEG library are.

    Raises ValueError unless there is at least one seller and no negative number of offers.
    """

    def __init__(self, seed: int, offers: int, sellers: int, base_url: str = DEFAULT_BASE_URL) -> None:
        if offers < 0 or offers > MOST_OFFERS:
            raise ValueError(f"offers must be from 0 to {MOST_OFFERS}, not {offers}")
        if sellers < 1:
            raise ValueError(f"sellers must be at least 1, not {sellers}")
        self.seed = seed
        self.sellers = sellers
        self.base_url = base_url.rstrip("/")
        self._offers = offers
        self._layout = Layout(seed, sellers)

    def __len__(self) -> int:
        return self._offers

    def __iter__(self) -> Iterator[MarketOffer]:
        return (self[arrival] for arrival in range(self._offers))

    def __getitem__(self, arrival: int) -> MarketOffer:
        """Offer number `arrival`, counted from 0; IndexError beyond the last."""
        if not 0 <= arrival < self._offers:
            raise IndexError(f"offer {arrival} of {self._offers}")
        place = self._layout.place(arrival)
        product = product_of(self.seed, place.style, place.variant)
        seller = seller_of(self.seed, place.seller)
        urls = tuple(f"{self.base_url}/photos/{arrival}/{n}.jpg" for n in range(1, self._photos(arrival, seller) + 1))
        offer_id = f"{seller.seller_id}-{arrival:07d}"
        offer = write_offer(offer_id, product, seller, urls, Draws(self.seed, "offer", arrival))
        return MarketOffer(offer, product.product_id, f"{self.seed}.{place.style}")

    def photo(self, path: str) -> bytes:
        """The JPEG at the path of one of the offers' photo URLs; UnknownPhotoError for any other path."""
        match = _PHOTO_PATH.fullmatch(path)
        if match is None:
            raise UnknownPhotoError(f"{path[:80]!r} is no /photos/OFFER/NUMBER.jpg")
        arrival, number = int(match[1]), int(match[2])
        if arrival >= self._offers:
            raise UnknownPhotoError(f"{path!r}: there are only {self._offers} offers")
        place = self._layout.place(arrival)
        product = product_of(self.seed, place.style, place.variant)
        seller = seller_of(self.seed, place.seller)
        if number > self._photos(arrival, seller):
            raise UnknownPhotoError(f"{path!r}: the offer has fewer photos")
        view = views_of(product, MOST_PHOTOS, seller.seller_id, self.seed)[number - 1]
        # Shops that show the maker's own photo show the same pose; the set and the saving stay their own.
        draws = Draws(self.seed, "photo", arrival, number)
        if draws.chance(seller.stock_rate):
            draws = Draws(self.seed, "stock", product.product_id, view)
        return take_photo(self.seed, Subject(product, seller, view), draws)

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """Key and JSON value of every offer in order of arrival, ready for the topic `offers`."""
        encoder = msgspec.json.Encoder()
        for entry in self:
            yield entry.offer.offer_id.encode(), encoder.encode(entry.offer)

    def _photos(self, arrival: int, seller: Seller) -> int:
        fewest, most = seller.photos
        return fewest + Draws(self.seed, "photos", arrival).below(most - fewest + 1)
