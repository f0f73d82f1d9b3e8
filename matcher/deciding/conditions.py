"""Whether the stream is still the one that the bundle's promise was made for: its match rate and the index size.

A threshold that is right 95 times of 100 where every offer has a match is right far less often where one in ten has;
and among more offers, more are alike by chance.
"""

import logging
from collections import deque
from collections.abc import Iterable

import numpy as np

from matcher.metrics import Metrics
from matcher.model.bundle import Bundle

log = logging.getLogger(__name__)

#: Decisions over which the match rate is estimated, how many are needed, and after how many it is estimated anew.
WINDOW, LEAST, EVERY = 4_000, 1_000, 250
#: The match rate is left below this share of the declared one, the index size above this multiple of the tested one.
FEWER_MATCHES, LARGER_INDEX = 0.67, 1.5


def estimated_match_rate(probabilities: Iterable[float], declared: float, rounds: int = 200) -> float:
    """The share of offers with a match, from the probabilities that a calibration for the `declared` share gave them.

    Expectation maximisation over the share alone (Saerens, Latinne, Decaestecker 2002). NaN without probabilities.
    """
    chance = np.clip(np.fromiter(probabilities, np.float64), 1e-9, 1 - 1e-9)
    if not len(chance) or not 0 < declared < 1:
        return float(chance.mean()) if len(chance) else float("nan")
    odds = chance / (1 - chance) * (1 - declared) / declared
    rate = declared
    for _ in range(rounds):
        weighed = odds * rate
        following = float((weighed / (weighed + 1 - rate)).mean())
        if abs(following - rate) < 1e-6:
            break
        rate = following
    return rate


class Conditions:
    """Watches decisions and says, once each time it changes, when the conditions of the promise are left."""

    def __init__(self, bundle: Bundle, metrics: Metrics) -> None:
        self._bundle = bundle
        self._metrics = metrics
        self._seen: deque[float] = deque(maxlen=WINDOW)
        self._since = 0
        self._kept = {"match_rate": True, "index_size": True}

    def observe(self, probabilities: Iterable[float | None], index_size: int) -> None:
        """Takes the probability of the best candidate of each decision (None: there was no candidate)."""
        before = len(self._seen)
        taken = [0.0 if each is None else each for each in probabilities]
        self._seen.extend(taken)
        self._since += len(taken)
        if len(self._seen) >= LEAST and (self._since >= EVERY or before < LEAST):
            self._since = 0
            self._check_rate()
        self._check_size(index_size)

    def _check_rate(self) -> None:
        declared = self._bundle.match_rate
        rate = estimated_match_rate(self._seen, declared)
        self._metrics.match_rate.set(rate)
        self._say(
            "match_rate",
            rate >= FEWER_MATCHES * declared,
            f"about {rate:.3f} of the offers have a match, the bundle's thresholds hold for {declared:g}",
        )

    def _check_size(self, index_size: int) -> None:
        promise = self._bundle.promise
        if promise is not None and promise.accept is not None:
            self._say(
                "index_size",
                index_size <= LARGER_INDEX * promise.index_size,
                f"{index_size:,} offers are known, the bundle's thresholds were tested among {promise.index_size:,}",
            )

    def _say(self, condition: str, kept: bool, what: str) -> None:
        self._metrics.conditions_kept.labels(condition).set(kept)
        if kept != self._kept[condition]:
            self._kept[condition] = kept
            if kept:
                log.info("the bundle's conditions hold again: %s", what)
            else:
                log.warning("the bundle's promise may not hold: %s", what)
