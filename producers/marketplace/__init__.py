"""A simulated marketplace: any number of offers of drawn products by different sellers, with the truth known."""

from producers.marketplace.listing import RawOffer, RawPrice
from producers.marketplace.market import MarketOffer, Marketplace, UnknownPhotoError
from producers.marketplace.server import PhotoServer, serve_photos
from producers.marketplace.truth import write_truth

__all__ = [
    "MarketOffer",
    "Marketplace",
    "PhotoServer",
    "RawOffer",
    "RawPrice",
    "UnknownPhotoError",
    "serve_photos",
    "write_truth",
]
