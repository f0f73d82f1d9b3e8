"""The demo's sellers: every offer of the marketplace once, no faster than the pipeline keeps up."""

import threading
from collections.abc import Iterator

from matcher.clock import SystemClock
from matcher.settings import Settings
from producers.feed import SIMULATED, OfferToSend, feed
from producers.marketplace import Marketplace
from producers.plain import Publisher


class Sellers(threading.Thread):
    """Sends in the background. Whoever watches sets `decided`, and looks at `sent` and `failure`."""

    def __init__(self, settings: Settings, market: Marketplace, *, rate: float | None, undecided: int) -> None:
        """`rate`: offers a second at most. `undecided`: how many offers may be under way, 0: any number."""
        super().__init__(name="sellers", daemon=True)
        self._settings = settings
        self._market = market
        self._rate = rate
        self._undecided = undecided
        self.sent = 0
        self.decided = 0
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            # Held by nobody else, so that its connections end with it, before Kafka does.
            with Publisher(self._settings.kafka, SystemClock()) as publisher:
                feed(
                    self._offers(publisher),
                    publisher,
                    topic=self._settings.topics.offers,
                    source=SIMULATED,
                    clock=SystemClock(),
                    rate=self._rate,
                )
        except Exception as error:  # a thread's failure is told to whoever watches it
            self.failure = error

    def _offers(self, publisher: Publisher) -> Iterator[OfferToSend]:
        for arrival, (key, value) in enumerate(self._market.records()):
            while self._undecided and self.sent - self.decided >= self._undecided:
                publisher.wait(0.05)
            yield OfferToSend(key=key, value=value, event_id=f"offer-{arrival}")
            self.sent = arrival + 1
