"""Sends the stream in a thread, no further ahead of the decisions than a given backlog, whatever becomes of Kafka."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator

from chaos.stream import Event
from matcher.clock import SystemClock
from matcher.events.envelope import JSON, OFFERED, Envelope, Outgoing, Record
from matcher.events.place import Place
from matcher.settings import Settings
from producers.dead_letters import put_back_record
from producers.plain import NotDeliveredError, Publisher

log = logging.getLogger(__name__)

SOURCE = "/offermatch/chaos"
#: Records that may be under way: sent, and not yet decided.
BACKLOG = 300
#: Seconds between two records once the stream is ahead of the schedule, so that there is always something to decide.
TRICKLE = 0.05
#: Seconds without a decision after which a little more is sent all the same: some records never lead to one.
IMPATIENCE = 2.0
#: Seconds that Kafka may be away.
AWAY = 180.0
#: Events that are remembered, to be sent again.
REMEMBERED = 200


class Feeder(threading.Thread):
    """`sent` counts events handed over. `allow(n)` lets it run to the n-th; beyond, it trickles until `finish`.

    `accepted`: topic → how many records Kafka has acknowledged; `unsure`: how many more may be there, since a producer
    failed that had not heard of them. `endings` tells how many decisions and dead letters there are. `failure` is what
    ended it, if anything did.
    """

    def __init__(self, settings: Settings, events: Iterator[Event], endings: Callable[[], int]) -> None:
        super().__init__(name="sellers", daemon=True)
        self._settings = settings
        self._events = events
        self._endings = endings
        self._clock = SystemClock()
        self._allowed = 0
        self._last: int | None = None
        self._wake = threading.Event()
        self._remembered: dict[int, Record] = {}
        self.sent = 0
        self.accepted: Counter[str] = Counter()
        self.unsure: Counter[str] = Counter()
        self._open: Counter[str] = Counter()
        self.failure: Exception | None = None

    def allow(self, count: int) -> None:
        self._allowed = max(self._allowed, count)
        self._wake.set()

    def finish(self, at_least: int) -> None:
        """Ends once `at_least` events are sent, all that were taken counted."""
        self._last = at_least
        self.allow(at_least)

    def run(self) -> None:
        try:
            while not self._feed_on():
                log.warning("the sellers go on with another producer")
        except Exception as error:  # a thread's failure is told to whoever watches it
            self.failure = error

    def _feed_on(self) -> bool:
        """Whether all that is to be sent was; False when the producer failed, as a seller's may where brokers fail.

        What it had not heard of then may or may not be on the topics.
        """
        self._open.clear()
        try:
            with Publisher(self._settings.kafka, self._clock, patience=AWAY) as publisher:
                self._feed(publisher)
        except NotDeliveredError as error:
            log.warning("%s", error)
            self.unsure.update(self._open)
            return False
        return True

    def _feed(self, publisher: Publisher) -> None:
        ended, moved = self._endings(), self._clock.monotonic()
        open_ = 0  # sent and not ended, as far as one can tell
        while self._last is None or self.sent < self._last:
            endings = self._endings()
            if endings > ended:
                open_, ended, moved = max(0, open_ - (endings - ended)), endings, self._clock.monotonic()
            if open_ >= BACKLOG and self._clock.monotonic() - moved > IMPATIENCE:
                open_, moved = open_ - BACKLOG // 10, self._clock.monotonic()
            if open_ >= BACKLOG:
                publisher.wait(0.01)
                continue
            if self.sent >= self._allowed:
                publisher.wait(0)
                self._wake.wait(TRICKLE)
                self._wake.clear()
            self._send(next(self._events), publisher)
            self.sent += 1
            open_ += 1

    def _send(self, event: Event, publisher: Publisher) -> None:
        record = self._record(event)
        if record is None:
            return
        topic = record.topic

        def taken(place: Place) -> None:
            self.accepted[topic] += 1
            self._open[topic] -= 1
            if event.again is None and not event.doomed:
                self._remember(event, place)

        self._open[topic] += 1
        publisher.send(record, taken)

    def _remember(self, event: Event, place: Place) -> None:
        self._remembered[event.number] = Record(
            topic=place.topic, partition=place.partition, offset=place.offset, key=event.key, value=event.value
        )
        if len(self._remembered) > REMEMBERED:
            del self._remembered[min(self._remembered)]

    def _record(self, event: Event) -> Outgoing | None:
        """None where an event is to be sent again that Kafka has not taken yet."""
        topics = self._settings.topics
        if event.again is not None:
            earlier = self._remembered.get(event.again)
            return None if earlier is None else put_back_record(earlier)
        if event.to == "features":
            return Outgoing(topic=topics.features, partition=0, key=event.key, value=event.value)
        envelope = Envelope(
            id=f"event-{event.number}",
            source=SOURCE,
            type=OFFERED,
            time_ms=self._clock.now_ms(),
            subject=event.key.decode(),
            content_type=JSON,
        )
        return Outgoing(topic=topics.offers, key=event.key, value=event.value, headers=envelope.headers())
