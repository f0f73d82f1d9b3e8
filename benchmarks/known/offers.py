"""Offers for the vectors of a feed: those that a matcher knows before it starts, and those that then come in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from benchmarks.index.feed import DIM, Feed, make_feed
from benchmarks.known.lifting import Lifting
from index_store.rows import Changes, DecisionRow, FeatureRow
from index_store.rows import Version as RowVersion
from index_store.state import State
from matcher.arrays import F32Array, I32Array
from matcher.deciding.identity import product_id
from matcher.events.envelope import ENCODED, MSGPACK, Envelope, Outgoing
from matcher.events.features import OfferFeatures, encode_features
from matcher.events.offer import Offer, Price
from matcher.events.place import Place, Version
from matcher.money import numbers_of

_CHUNK: Final = 8_192
_WORDS: Final = ("red", "wool", "runner", "classic", "mini", "pro", "sport", "linen", "urban", "light", "soft", "long")


class Offers:
    """`known` offers and, behind them, `arriving` ones; the n-th record has the version at offset n of `offers`."""

    def __init__(self, known: int, arriving: int, *, updates: float = 0.0) -> None:
        """`updates`: the share of those arriving that are known already and come with a new version, the same else."""
        self._known, self._all = known, known + arriving
        random = np.random.default_rng(known)
        self._speaks_of = np.arange(self._all)
        again = known + np.flatnonzero(random.random(arriving) < updates)
        self._speaks_of[again] = random.integers(0, known, len(again))
        self._feed: Feed = make_feed(self._all, seed=known)
        self._lifting = Lifting(DIM, seed=0)
        self._founder = {int(one): n for n, one in reversed(list(enumerate(self._feed.product)))}
        self.bundle = self._lifting.bundle()

    def vectors(self, numbers: slice) -> F32Array:
        """f32[n, dim]: the embeddings of these offers."""
        return self._feed.vectors[numbers].astype(np.float32)

    def sellers(self, numbers: slice) -> I32Array:
        """i32[n]: a code for the seller of each."""
        return self._feed.sellers[numbers]

    def remember(self, state: State) -> None:
        """Puts the known offers into an empty state, each in the product of the first of its kind."""
        for start in range(0, self._known, _CHUNK):
            numbers = range(start, min(start + _CHUNK, self._known))
            vectors = self._feed.vectors[numbers.start : numbers.stop].astype(np.float32)
            raw = zip(self._lifting.image(vectors), self._lifting.text(vectors), strict=True)
            features, decisions = [], []
            for number, vector, (image, text) in zip(numbers, vectors, raw, strict=True):
                offer, version = self._offer(number), RowVersion(0, number)
                seen = vector, image.tobytes(), text.tobytes()
                payload = msgspec.json.encode(offer)
                features.append(FeatureRow(offer.offer_id, version, offer.seller_id, payload, *seen))
                founder = self._founder[int(self._feed.product[number])]
                product = product_id(_name(founder), Version(0, founder))
                decisions.append(DecisionRow(offer.offer_id, version, product, "matched", 0))
            state.apply(Changes(features=features, decisions=decisions))

    def arriving(self, topic: str, now_ms: int) -> Iterator[Outgoing]:
        """The records on `offer-features` of those arriving, as an encoder writes them."""
        for start in range(self._known, self._all, _CHUNK):
            numbers = range(start, min(start + _CHUNK, self._all))
            vectors = self._feed.vectors[self._speaks_of[numbers.start : numbers.stop]].astype(np.float32)
            images, texts = self._lifting.image(vectors), self._lifting.text(vectors)
            for number, image, text in zip(numbers, images, texts, strict=True):
                yield self._record(number, image.tobytes(), text.tobytes(), topic, now_ms)

    def _record(self, number: int, image: bytes, text: bytes, topic: str, now_ms: int) -> Outgoing:
        offer = self._offer(int(self._speaks_of[number]))
        version, cause = Version(0, number), Place("offers", 0, number)
        features = OfferFeatures(
            offer=offer,
            version=version,
            cause=cause,
            encoder=self.bundle.encoder.fingerprint,
            image=image,
            text=text,
            numbers=np.asarray(numbers_of(offer), "<f4").tobytes(),
            image_count=1,
        )
        envelope = Envelope(
            id=f"features-{version}",
            source="/offermatch/benchmark",
            type=ENCODED,
            time_ms=now_ms,
            subject=offer.offer_id,
            content_type=MSGPACK,
            version=version,
            cause=cause,
        )
        key = offer.offer_id.encode()
        return Outgoing(topic=topic, key=key, value=encode_features(features), headers=envelope.headers(), partition=0)

    def _offer(self, number: int) -> Offer:
        product = int(self._feed.product[number])
        words = [_WORDS[product // 12**place % 12] for place in range(4)]
        return Offer(
            offer_id=_name(number),
            seller_id=f"seller-{self._feed.sellers[number]}",
            title=f"{' '.join(words).title()} {product}",
            brand=f"Brand {product % 997}" if number % 3 == 0 else None,
            price=Price(amount=5.0 + product % 200, currency="EUR"),
        )


def _name(number: int) -> str:
    return f"offer-{number}"
