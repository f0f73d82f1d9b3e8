"""What a measured matcher stands on: a Kafka of its own, a state that knows many offers, and a look at its metrics."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from benchmarks.index.feed import DIM
from benchmarks.known.offers import Offers
from broker.cluster import KafkaCluster
from demo.children import Child
from demo.readings import Reading, read_all
from index_store.rows import Identity
from index_store.state import State
from matcher.clock import Clock
from matcher.model.bundle import save_bundle
from matcher.settings import Settings, load_settings
from producers.topic_plan import create
from producers.topics import can_produce

PATIENCE: Final = 600.0
_POLL: Final = 0.5  # seconds; a look costs the matcher some 10 ms


class NotDecided(RuntimeError):
    """The matcher did not decide all offers in time; the message says how far it came."""


class Stage(Struct, frozen=True, kw_only=True):
    """Settings of this process and the matcher's environment; `http` is where it answers."""

    settings: Settings
    environ: Mapping[str, str]
    http: str
    log: Path

    def matcher(self) -> Child:
        """Starts a matcher."""
        return Child("matcher", ["matcher"], self.environ, self.log)

    def wait_ready(self, child: Child) -> None:
        """Raises `demo.children.ChildFailedError`."""
        child.wait_ready(f"{self.http}/readyz", PATIENCE)

    def wait_decided(self, child: Child, offers: float, clock: Clock) -> Reading:
        """The reading of when so many offers were decided since the matcher started.

        Raises `NotDecided`, `demo.children.ChildFailedError`.
        """
        deadline = clock.monotonic() + PATIENCE
        while True:
            now = read_all({"matcher": f"{self.http}/metrics"}, clock.monotonic())
            if decided(now) >= offers:
                return now
            child.check()
            if clock.monotonic() > deadline:
                raise NotDecided(f"{decided(now):,.0f} of {offers:,.0f} offers decided in time:\n{child.tail()}")
            time.sleep(_POLL)


def decided(reading: Reading) -> float:
    """Offers decided since the matcher started."""
    return reading.total("offermatch_offers_decided_total")


@contextmanager
def staged(offers: Offers, folder: Path, more: Mapping[str, str]) -> Iterator[Stage]:
    """In `folder`, for as long as the context lasts. `more`: further environment of the matcher."""
    folder.mkdir(parents=True)
    bundle = save_bundle(offers.bundle, folder / "bundle")
    with KafkaCluster(folder / "kafka") as cluster:
        cluster.start(can_produce)
        port = _free_port()
        environ = {
            "KAFKA_BOOTSTRAP": cluster.bootstrap,
            "OFFERMATCH_MATCHER_BUNDLE": str(folder / "bundle"),
            "OFFERMATCH_MATCHER_STATE_FOLDER": str(folder / "state"),
            "OFFERMATCH_MATCHER_HTTP_PORT": str(port),
            **more,
        }
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("OFFERMATCH_", "KAFKA_"))}
        settings = load_settings(environ=outside | environ)
        create(settings, wait=30)
        topics = settings.topics
        path = folder / "state" / settings.matcher.group / bundle.fingerprint / "partition-0.sqlite"
        identity = Identity(
            bundle.fingerprint, DIM, 0, (topics.features, topics.matches), topics.universes, raw_features=True
        )
        with State(path, identity) as state:
            offers.remember(state)
        yield Stage(settings=settings, environ=environ, http=f"http://127.0.0.1:{port}", log=folder / "matcher.log")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
