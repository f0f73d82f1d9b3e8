"""The text features of a table's offers: from the cache where it has them, encoded and kept where it has not."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np

from consumers.datasets.account import Account
from consumers.datasets.cache import Vectors
from consumers.datasets.micro import MicroBatches
from consumers.datasets.photos import text_key
from matcher.arrays import BoolArray, F16Array
from matcher.encoding import Encodable
from matcher.events.offer import Offer
from matcher.text import offer_text

#: Offers that are looked up at once.
_AT_ONCE = 4_096


def text_features(
    offers: Sequence[Offer],
    dim: int,
    vectors: Vectors,
    micro: MicroBatches,
    *,
    account: Account,
    on_done: Callable[[int], None],
) -> tuple[F16Array, BoolArray]:
    """`f16[n, dim]` and which offers have a text that could be encoded; what several offers share is encoded once."""
    rows = np.zeros((len(offers), dim), np.float16)
    has = np.zeros(len(offers), np.bool_)
    missing: dict[str, list[int]] = {}
    waiting = 0
    for start in range(0, len(offers), _AT_ONCE):
        texts = [offer_text(offer.brand, offer.title) for offer in offers[start : start + _AT_ONCE]]
        part = slice(start, start + len(texts))
        rows[part], has[part] = vectors.read([text_key(text) for text in texts], dim)
        for place in np.flatnonzero(~has[part]):
            if text := texts[place]:
                missing.setdefault(text, []).append(start + int(place))
                waiting += 1
        account.texts_cached += int(has[part].sum())
        on_done(start + len(texts) - waiting)
    # Texts of like length together need little padding; the longest first, so that what is left never takes longer.
    order = iter(sorted(missing, key=len, reverse=True))
    for batch in _pieces(order, micro.batch_size):
        results = micro.encode([Encodable(offers[missing[text][0]], ()) for text in batch])
        made = [(t, r.text) for t, r in zip(batch, results, strict=True) if r is not None and r.text is not None]
        vectors.write([(text_key(text), vector) for text, vector in made])
        for text, vector in made:
            rows[missing[text]] = vector
            has[missing[text]] = True
            account.texts_encoded += len(missing[text])
        account.failed += sum(len(missing[text]) for text in batch) - sum(len(missing[text]) for text, _ in made)
        waiting -= sum(len(missing[text]) for text in batch)
        on_done(len(offers) - waiting)
    return rows, has


def _pieces(texts: Iterator[str], size: int) -> Iterator[list[str]]:
    while piece := list(islice(texts, size)):
        yield piece
