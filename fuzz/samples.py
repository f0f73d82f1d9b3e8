"""One good event of each topic: where the fuzzer begins."""

from functools import cache

import numpy as np

from matcher.events.decision import Candidate, Decision, Evidence
from matcher.events.envelope import Envelope, Headers
from matcher.events.features import OfferFeatures, PhotoFailure
from matcher.events.offer import Offer, Price
from matcher.events.place import Place, Version
from matcher.events.review import OfferVersion, ReviewCandidate, ReviewTask, Verdict, Vote
from matcher.model.bundle import Bundle, Concatenation, EncoderFacts, Logistic, Search, Thresholds

ENCODER = "0123456789abcdef"
VERSION, CAUSE = Version(0, 7), Place("offer-features", 0, 9)
OFFER = Offer(
    offer_id="a", seller_id="s", title="Polo", brand="Acme", description="Piqué",
    price=Price(amount=16.99, currency="EUR"), sizes=("S", "M"), n_sizes=2, image_urls=("https://a.example/1.jpg",),
    url="https://a.example/", gtin="4006381333931", mpn="PS-1",
)  # fmt: skip
EVIDENCE = (Evidence("price_ratio", 0.5, "difference"), Evidence("gtin", 1.0, "match"))
DECISION = Decision(
    offer_id="a", outcome="matched", product_id="p", version=VERSION, cause=CAUSE, model="m", matched_offer_id="b",
    score=0.9, probability=0.8, evidence=EVIDENCE, review_id="r", review_reason="band",
)  # fmt: skip
TASK = ReviewTask(
    review_id="r", offer=OFFER, version=VERSION, cause=CAUSE, product_id="p", reason="band", model="m",
    evidence=EVIDENCE,
    candidates=(
        ReviewCandidate(
            candidate=Candidate(offer_id="b", product_id="q", version=VERSION, score=0.9, probability=0.5), offer=OFFER
        ),
    ),
)  # fmt: skip
VERDICT = Verdict(
    review_id="r", offer=OfferVersion(offer_id="a", version=VERSION), chosen="b",
    candidates=(OfferVersion(offer_id="b", version=VERSION),), votes=(Vote(validator="v", chosen=None, time_ms=1),),
)  # fmt: skip
ENVELOPE = Envelope(
    id="x", source="/s", type="offer.offered", time_ms=1_700_000_000_000, version=VERSION, cause=CAUSE,
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)  # fmt: skip
LETTER: Headers = (
    ("dl_stage", b"encoder"), ("dl_reason", b"not_json"), ("dl_exception", b"expected"), ("dl_topic", b"offers"),
    ("dl_partition", b"0"), ("dl_offset", b"7"), ("dl_attempt", b"2"), ("dl_time", b"2026-01-31T12:00:00.000Z"),
)  # fmt: skip


def features() -> OfferFeatures:
    vector = np.array([0.5, -0.25, 0.125, 1.0], "<f2").tobytes()
    return OfferFeatures(
        offer=OFFER, version=VERSION, cause=Place("offers", 0, 7), encoder=ENCODER, image=vector, text=vector,
        numbers=np.array([1, 0, 2.5], "<f4").tobytes(), image_count=1, repairs=("price",),
        photo_failures=(PhotoFailure("https://a.example/2.jpg", "timeout"),),
    )  # fmt: skip


@cache
def bundle() -> Bundle:
    return Bundle(
        name="fuzz", trained=False, note="made for fuzzing",
        projection=Concatenation(image_weight=0.8, text_weight=0.6),
        encoder=EncoderFacts(model="dummy", fingerprint=ENCODER, image_dim=4, text_dim=4),
        calibration=Logistic(slope=20.0, intercept=-16.0), thresholds=Thresholds(accept=0.9, review=0.3, margin=0.05),
        search=Search(candidates=3, exclude_own_seller=True, brand_blocks=False), match_rate=0.5,
    )  # fmt: skip
