"""One side of the comparison: topics, encoder and matcher of its own, and when each offer sent to them was decided."""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from msgspec import Struct

from benchmarks.known.processor import processor_seconds
from consumers.watching import DecisionWatcher
from demo.children import Child
from matcher.clock import Clock
from matcher.events.decision import Decision
from matcher.events.envelope import Outgoing
from matcher.settings import load_settings
from producers.feed import SIMULATED, OfferToSend, feed
from producers.plain import Publisher
from producers.topic_plan import create

READY = 180.0
#: Seconds without a single new decision after which the benchmark gives up.
STALL = 60.0


class StalledError(RuntimeError):
    """Not every offer was decided; the message says how far it came."""


class Measured(Struct, frozen=True):
    """One round: how long it took from the first offer sent to the last decision seen, and the processes' own work.

    `latencies`: of each offer, seconds from its Kafka time to its decision being visible.
    """

    offers: int
    seconds: float
    processor: float
    latencies: Sequence[float]


class Side:
    """A context manager: its processes run and are warm inside. `module`: what is started as encoder and matcher."""

    def __init__(
        self, name: str, module: str, bootstrap: str, encoder: str, bundle: str, *, clock: Clock, folder: Path
    ) -> None:
        self.name = name
        self._module = module
        self._clock = clock
        self._folder = folder / name
        prefix = f"bench-{name}-{clock.now_ms()}-"
        self._environ = {
            "KAFKA_BOOTSTRAP": bootstrap,
            "OFFERMATCH_TOPICS_PREFIX": prefix,
            "OFFERMATCH_ENCODER_MODEL": encoder,
            "OFFERMATCH_ENCODER_GROUP": f"{prefix}encoder",
            "OFFERMATCH_ENCODER_HTTP_PORT": "0",
            "OFFERMATCH_MATCHER_BUNDLE": bundle,
            "OFFERMATCH_MATCHER_GROUP": f"{prefix}matcher",
            "OFFERMATCH_MATCHER_HTTP_PORT": "0",
            "OFFERMATCH_MATCHER_STATE_FOLDER": str(self._folder / "state"),
        }
        self._settings = load_settings(environ={**os.environ, **self._environ})
        self._seen: dict[str, int] = {}
        self._news = threading.Condition()
        self._children: list[Child] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        with ExitStack() as stack:
            create(self._settings, wait=30)
            stack.enter_context(DecisionWatcher(self._settings, self._decided))
            for command in ("encoder", "matcher"):
                log = self._folder / f"{command}.log"
                child = Child(f"{self.name} {command}", [command], self._environ, log, module=self._module)
                self._children.append(stack.enter_context(child))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, offers: Sequence[OfferToSend], rate: float | None = None) -> Measured:
        """Sends them, `rate` a second or all at once, and waits for the decisions. Raises `StalledError`."""
        sent: dict[str, int] = {}
        work, begun = self._processor(), self._clock.now_ms()
        with Publisher(self._settings.kafka, self._clock) as publisher:
            sink = _Dated(publisher, sent, self._clock)
            feed(offers, sink, topic=self._settings.topics.offers, source=SIMULATED, clock=self._clock, rate=rate)
        self._wait_for(sent)
        work = self._processor() - work
        latencies = [(self._seen[name] - at) / 1000 for name, at in sent.items()]
        last = max(self._seen[name] for name in sent)
        return Measured(len(offers), (last - begun) / 1000, work, latencies)

    def _processor(self) -> float:
        return processor_seconds(child.pid for child in self._children)

    def _decided(self, decision: Decision) -> None:
        """In the watcher's thread; a decision that is repeated counts from the first."""
        with self._news:
            self._seen.setdefault(decision.offer_id, self._clock.now_ms())
            self._news.notify_all()

    def _wait_for(self, names: Iterable[str]) -> None:
        open_ = set(names)
        with self._news:
            while open_ := open_ - self._seen.keys():
                for child in self._children:
                    child.check()
                if not self._news.wait(STALL if len(self._seen) else READY):
                    tails = "\n".join(f"{child.name}:\n{child.tail()}" for child in self._children)
                    raise StalledError(f"{self.name}: {len(open_)} of {len(set(names))} offers undecided\n{tails}")


class _Dated:
    """Notes when each offer is handed to Kafka, which is its time there."""

    def __init__(self, publisher: Publisher, sent: dict[str, int], clock: Clock) -> None:
        self._publisher = publisher
        self._sent = sent
        self._clock = clock

    def send(self, record: Outgoing) -> None:
        self._sent[(record.key or b"").decode()] = self._clock.now_ms()
        self._publisher.send(record)

    def wait(self, seconds: float) -> None:
        self._publisher.wait(seconds)

    def finish(self) -> None:
        self._publisher.finish()


def numbered(offers: Iterable[tuple[bytes, bytes]]) -> Iterator[OfferToSend]:
    """(key, value) of each, as events of their own."""
    for number, (key, value) in enumerate(offers):
        yield OfferToSend(key=key, value=value, event_id=f"offer-{number}")
