"""The events: one msgspec Struct for each topic's value, and the envelope that all of them travel in.

A Struct here is the only definition of what a topic carries. Public topics are JSON, `offer-features` is MessagePack.
"""

from matcher.events.decision import Candidate, Decision, Evidence, Outcome
from matcher.events.envelope import Envelope, Record, read_envelope
from matcher.events.features import OfferFeatures, PhotoFailure
from matcher.events.offer import Offer, Price
from matcher.events.place import Place, Version
from matcher.events.reading import Unreadable, read_offer
from matcher.events.review import ReviewTask, Verdict, Vote

__all__ = [
    "Candidate",
    "Decision",
    "Envelope",
    "Evidence",
    "Offer",
    "OfferFeatures",
    "Outcome",
    "PhotoFailure",
    "Place",
    "Price",
    "Record",
    "ReviewTask",
    "Unreadable",
    "Verdict",
    "Version",
    "Vote",
    "read_envelope",
    "read_offer",
]
