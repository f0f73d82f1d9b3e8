"""Sending offers to the topic `offers`, from wherever they come: a table, the simulated marketplace."""

from collections.abc import Callable, Iterable
from typing import Protocol

from msgspec import Struct

from matcher.clock import Clock
from matcher.events.envelope import OFFERED, Envelope, Outgoing

REPLAYED = "/offermatch/replay"
SIMULATED = "/offermatch/simulate"

#: Seconds between two calls of `on_progress`.
PROGRESS_EVERY = 0.1


class OfferToSend(Struct, frozen=True, kw_only=True):
    """One event: `key` is the offer_id, `value` its JSON (None withdraws it), `event_id` is unique in its source."""

    key: bytes
    value: bytes | None
    event_id: str


class Sink(Protocol):
    """What `feed` asks of a producer; `producers.plain.Publisher` is one."""

    def send(self, record: Outgoing) -> None: ...

    def wait(self, seconds: float) -> None: ...

    def finish(self) -> None: ...


def feed(
    offers: Iterable[OfferToSend],
    sink: Sink,
    *,
    topic: str,
    source: str,
    clock: Clock,
    rate: float | None = None,
    on_progress: Callable[[int], None] = lambda _sent: None,
) -> int:
    """Sends `offers` in order, at most `rate` a second, and returns how many when Kafka has answered for all of them.

    Event time (`ce_time`) is the moment of sending. `on_progress` gets the number handed over, a few times a second and
    at the end. Raises ValueError for a rate that is not positive, and what the sink raises.
    """
    if rate is not None and not rate > 0:
        raise ValueError(f"expected a rate above 0 offers a second, got {rate}")
    begun = clock.monotonic()
    told = begun
    sent = 0
    for offer in offers:
        if rate is not None:
            due = begun + sent / rate
            while (early := due - clock.monotonic()) > 0:
                sink.wait(early)
        sink.send(_record(offer, topic, source, clock.now_ms()))
        sent += 1
        if clock.monotonic() - told >= PROGRESS_EVERY:
            told = clock.monotonic()
            on_progress(sent)
    sink.finish()
    on_progress(sent)
    return sent


def _record(offer: OfferToSend, topic: str, source: str, now_ms: int) -> Outgoing:
    envelope = Envelope(
        id=offer.event_id,
        source=source,
        type=OFFERED,
        time_ms=now_ms,
        subject=offer.key.decode(),
    )
    return Outgoing(topic=topic, key=offer.key, value=offer.value, headers=envelope.headers())
