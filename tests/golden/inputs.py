"""The fixed inputs, and what today's code writes for them: every topic, every optional field with and without."""

import msgspec
import numpy as np

from matcher.clock import Clock
from matcher.deciding.arrivals import Arrival
from matcher.deciding.identity import product_id, review_id
from matcher.deciding.steps import Decided, Expired, Gone, Refused, Skipped, Step
from matcher.encoding import RawFeatures
from matcher.events.dead_letter import Failure, dead_letter
from matcher.events.decision import Candidate, Decision, Evidence
from matcher.events.envelope import OFFERED, REVIEW_DECIDED, Envelope, Headers, Outgoing, Record, read_envelope
from matcher.events.features import PhotoFailure
from matcher.events.offer import Offer, Price
from matcher.events.place import Place, Version
from matcher.events.review import OfferVersion, ReviewCandidate, Verdict, Vote
from matcher.settings import Topics
from producers.decisions import decision_records
from producers.features import features_record, withdrawn_record
from tests.golden.container import GoldenFile, golden
from tests.matcher.making import ENCODER, features_of

Named = tuple[str, Outgoing]

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MODEL = "00112233445566ff"

FULL = Offer(
    offer_id="shop:1",
    seller_id="shop",
    title="Polo shirt „Größe“ 👕",
    brand="Acme",
    description="Piqué, 100 % cotton",
    price=Price(amount=16.99, currency="EUR"),
    sizes=("S", "M", "L"),
    n_sizes=3,
    image_urls=("https://photos.example/1.jpg", "https://photos.example/2.jpg"),
    url="https://shop.example/polo?colour=blue&size=m",
    gtin="4006381333931",
    mpn="PS-1",
)
BARE = Offer(offer_id="x2")
OTHER = Offer(offer_id="mart/17", seller_id="mart", title="Acme polo", price=Price(amount=15.0))


class _Fixed(Clock):
    def now_ms(self) -> int:
        return 1_700_000_000_500

    def monotonic(self) -> float:
        return 0.0


def record(topic: str, offset: int, offer_id: str, value: bytes | None, *, headers: Headers = ()) -> Record:
    """A record as Kafka hands it to us."""
    return Record(
        topic=topic, partition=3 if topic == "offers" else 0, offset=offset, key=offer_id.encode(), value=value,
        headers=headers, timestamp_ms=1_700_000_000_000 + offset,
    )  # fmt: skip


def offered(offer: Offer, event_id: str, *, trace: str | None = None) -> Outgoing:
    """An offer as a seller who follows our documentation sends it."""
    envelope = Envelope(
        id=event_id, source="/sellers/shop", type=OFFERED, time_ms=1_699_999_999_999, subject=offer.offer_id,
        traceparent=trace,
    )  # fmt: skip
    return Outgoing(
        topic="offers", key=offer.offer_id.encode(), value=msgspec.json.encode(offer), headers=envelope.headers()
    )


def raw(key: bytes | None, value: bytes | None) -> Outgoing:
    """A record as sellers send it who do not."""
    return Outgoing(topic="offers", key=key, value=value)


def offers() -> list[Named]:
    inline = msgspec.structs.replace(FULL, image_urls=("data:image/png;base64,iVBORw0KGgo=",))
    dirty = """{"offer_id": 17, "title": " Tom &amp; Jerry ", "price": "1.299,00 €", "sizes": "S|M", "brand": null,
"n_sizes": "9", "gtin": 4006381333931.0, "image_urls": "https://a.example/1.jpg", "colour": {"unknown": [1]}}"""
    return [
        ("every field", offered(FULL, "s-1", trace=TRACE)),
        ("only an id", offered(BARE, "s-2")),
        ("a photo inside", offered(inline, "s-3")),
        ("repaired in many places, no headers", raw(b"17", dirty.encode())),
        ("NaN and Infinity", raw(b"n", b'{"offer_id": "n", "title": "t", "price": NaN, "n_sizes": Infinity}')),
        ("the id in the key alone", raw(b"k", b'{"title": "t"}')),
        ("withdrawn", raw(b"shop:1", None)),
        ("not JSON", raw(b"j", b"\x89PNG")),
        ("not an object", raw(b"j", b"[]")),
        ("no offer_id", raw(None, b'{"title": "t"}')),
        ("a bad offer_id", raw(None, b'{"offer_id": ""}')),
        ("another offer's key", raw(b"other", b'{"offer_id": "mine"}')),
    ]


def offer_features() -> list[Named]:
    seen: Headers = (("ce_time", b"2023-11-14T22:13:19.999Z"), ("traceparent", TRACE.encode()))
    image, text = np.array([0.5, -0.25, 0.125, 1.0], np.float16), np.array([1, 2, 3, 4], np.float16)
    failures = (PhotoFailure("https://photos.example/2.jpg", "timeout"), PhotoFailure("data:", "too_many_pixels"))

    def made(name: str, offset: int, offer: Offer, *, photo: bool, words: bool, failed: bool = False) -> Named:
        outgoing = features_record(
            record("offers", offset, offer.offer_id, b"{}", headers=seen if offset == 100 else ()),
            offer,
            RawFeatures(image=image if photo else None, text=text if words else None, image_count=2 if photo else 0),
            encoder=ENCODER,
            topic="offer-features",
            repairs=("price", "sizes") if failed else (),
            photo_failures=failures if failed else (),
        )
        return name, outgoing

    inline = msgspec.structs.replace(FULL, image_urls=("data:image/png;base64,iVBORw0KGgo=",))
    return [
        made("photo and text, every field", 100, FULL, photo=True, words=True),
        made("photos failed, fields repaired", 101, FULL, photo=False, words=True, failed=True),
        made("a photo alone, nothing known", 102, BARE, photo=True, words=False),
        made("a photo from inside the event", 103, inline, photo=True, words=True),
        ("withdrawn", withdrawn_record(record("offers", 104, "shop:1", None, headers=seen), topic="offer-features")),
    ]


def arrival(offer: Offer, offset: int, headers: Headers = (), *, gone: bool = False) -> Arrival:
    """An offer at the door of the matcher; its version is 3-<offset - 100>."""
    at = record("offer-features", offset, offer.offer_id, None if gone else b"", headers=headers)
    version = Version(3, offset - 100)
    return Arrival(
        record=at,
        seen=read_envelope(at),
        offer_id=offer.offer_id,
        version=version,
        features=None if gone else features_of(offer, version, [1, 0, 0, 0], [1, 0, 0, 0]),
    )


def steps() -> list[tuple[str, Step]]:
    """One step of each kind, as the batch rule returns them."""
    traced: Headers = (("ce_time", b"2023-11-14T22:13:19.999Z"), ("traceparent", TRACE.encode()))
    founding = product_id(OTHER.offer_id, Version(3, 1))
    best = Candidate(offer_id=OTHER.offer_id, product_id=founding, version=Version(3, 1), score=0.93, probability=0.95)
    rival = Candidate(offer_id="x2", product_id="q", version=Version(2, 9), score=0.5, probability=0.0)
    seen = (
        Evidence("image_similarity", 0.9375, "match"),
        Evidence("text_similarity", 0.5),
        Evidence("gtin_differs", 1.0, "difference"),
    )

    def decided(offer: Offer, offset: int, outcome: str, product: str | None = None, **more: object) -> Decided:
        came = arrival(offer, offset, traced if offset == 201 else ())
        reviewed = outcome == "needs_review"
        decision = msgspec.convert(
            {
                "offer_id": offer.offer_id,
                "outcome": outcome,
                "product_id": product or product_id(offer.offer_id, came.version),
                "version": came.version,
                "cause": came.record.place,
                "model": MODEL,
                "review_id": review_id(offer.offer_id, came.version) if reviewed else None,
                **more,
            },
            Decision,
        )
        asked_about = (
            ReviewCandidate(candidate=best, offer=OTHER, evidence=seen),
            ReviewCandidate(candidate=rival, offer=BARE),
        )
        shown = asked_about if reviewed else ()
        return Decided(arrival=came, vector=np.zeros(8, np.float32), decision=decision, shown=shown)

    found = {"matched_offer_id": OTHER.offer_id, "score": 0.93, "probability": 0.95}
    return [
        ("matched", decided(FULL, 201, "matched", founding, **found, evidence=seen)),
        ("new product, nothing near", decided(BARE, 202, "new_product")),
        ("new product, something near", decided(BARE, 203, "new_product", **found | {"probability": 0.1})),
        ("in the band", decided(FULL, 204, "needs_review", **found, evidence=seen, review_reason="band")),
        ("ambiguous", decided(FULL, 205, "needs_review", **found, review_reason="ambiguous")),
        ("conflict", decided(BARE, 206, "needs_review", **found, evidence=seen[2:], review_reason="conflict")),
        ("gone", Gone(arrival(FULL, 208, traced, gone=True))),
        (
            "expired",
            Expired(offer_id=FULL.offer_id, version=Version(3, 104), cause=Place("offer-features", 0, 211), time_ms=4),
        ),
        ("superseded", Skipped(arrival=arrival(FULL, 209), why="superseded")),
        (
            "refused",
            Refused(
                arrival(FULL, 210, traced).record,
                Failure(stage="matcher", reason="foreign_encoder", message="expected features of encoder e"),
            ),
        ),
    ]


def published(topic: str) -> list[Named]:
    """What the matcher publishes on `topic` for each of the steps."""
    named = []
    for name, step in steps():
        for outgoing in decision_records([step], partition=0, topics=Topics(), clock=_Fixed()):
            if outgoing.topic == topic:
                named.append((name, outgoing))
    return named


def matches() -> list[Named]:
    """The decisions of the matcher, and what a verdict changes: no process writes that one yet."""
    decision = Decision(
        offer_id=FULL.offer_id,
        outcome="reassigned",
        product_id=product_id(OTHER.offer_id, Version(3, 1)),
        version=Version(3, 104),
        cause=Place("verdicts", 0, 12),
        model=MODEL,
        matched_offer_id=OTHER.offer_id,
    )
    envelope = Envelope(
        id=decision.event_id, source="/offermatch/matcher", type=decision.type, time_ms=3, subject=FULL.offer_id,
        version=decision.version, cause=decision.cause,
    )  # fmt: skip
    key = FULL.offer_id.encode()
    reassigned = Outgoing(topic="matches", key=key, value=msgspec.json.encode(decision), headers=envelope.headers())
    return [*published("matches"), ("reassigned", reassigned)]


def verdicts() -> list[Named]:
    """What a review writes, as the topic is defined; the version and the cause are the reviewed decision's."""
    reviewed = OfferVersion(offer_id=FULL.offer_id, version=Version(3, 104))
    candidate = OfferVersion(offer_id=OTHER.offer_id, version=Version(3, 1))
    votes = (Vote(validator="ann", chosen=OTHER.offer_id, time_ms=1), Vote(validator="bob", chosen=None, time_ms=2))
    review = review_id(FULL.offer_id, reviewed.version)

    def verdict(name: str, chosen: str | None, votes: tuple[Vote, ...], *, withdrawn: bool = False) -> Named:
        value = Verdict(
            review_id=review, offer=reviewed, candidates=(candidate,), chosen=chosen, votes=votes, withdrawn=withdrawn
        )
        envelope = Envelope(
            id=f"verdict-{review}-{name}", source="/offermatch/review", type=REVIEW_DECIDED, time_ms=3,
            subject=FULL.offer_id, version=reviewed.version, cause=Place("needs-review", 0, 5),
        )  # fmt: skip
        key = FULL.offer_id.encode()
        return name, Outgoing(topic="verdicts", key=key, value=msgspec.json.encode(value), headers=envelope.headers())

    return [
        verdict("chosen", OTHER.offer_id, votes),
        verdict("none", None, votes[1:]),
        verdict("withdrawn", OTHER.offer_id, (), withdrawn=True),
    ]


def dead_letters() -> list[Named]:
    failure = Failure(stage="encoder", reason="not_json", message="expected a JSON object in UTF-8: „ä“")
    first = record("offers", 300, "j", b"\x89PNG\xff", headers=(("ce_id", b"s-9"), ("x-binary", b"\xff\x00")))
    letter = dead_letter(first, failure, topic="dead-letters", now_ms=_Fixed().now_ms())
    replayed = msgspec.structs.replace(first, offset=777, headers=letter.headers)
    keyless = msgspec.structs.replace(first, key=None, value=b"{}", headers=())
    unnamed = Failure(stage="encoder", reason="no_offer_id", message="expected an offer_id")
    return [
        ("of the encoder", letter),
        ("replayed", dead_letter(replayed, failure, topic="dead-letters", now_ms=_Fixed().now_ms())),
        ("without key and headers", dead_letter(keyless, unnamed, topic="dead-letters", now_ms=_Fixed().now_ms())),
        *published("dead-letters"),
    ]


def written_today() -> dict[str, GoldenFile]:
    """What today's code writes for the fixed inputs, by topic; `reads_as` is left open."""
    topics = {
        "offers": offers(),
        "offer-features": offer_features(),
        "matches": matches(),
        "needs-review": published("needs-review"),
        "verdicts": verdicts(),
        "dead-letters": dead_letters(),
    }
    return {
        topic: GoldenFile(topic=topic, records=tuple(golden(name, out, n) for n, (name, out) in enumerate(named)))
        for topic, named in topics.items()
    }
