"""The run itself: a matcher process on a Kafka of its own decides offers behind few known ones, and behind many."""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from msgspec import Struct

from benchmarks.index.feed import DIM
from benchmarks.known.offers import Offers
from benchmarks.results import Benchmark, Result, machine, versions
from broker.cluster import KafkaCluster
from demo.children import Child
from demo.readings import Reading, read_all
from index_store.rows import Identity
from index_store.state import State
from matcher.clock import Clock
from matcher.model.bundle import save_bundle
from matcher.settings import load_settings
from producers.plain import Publisher
from producers.topic_plan import create
from producers.topics import can_produce

REFERENCE: Final = 10_000
#: What is known of the time between two readings, by the stages that belong to it.
_PARTS: Final = {
    "decode": ("decode",),
    "projection": ("project",),
    "search": ("search",),
    "compare and decide": ("verify", "decide"),
    "Kafka transaction": ("publish",),
    "apply": ("apply",),
}
_POLL: Final = 0.2  # seconds
_PATIENCE: Final = 600.0


class NotDecided(RuntimeError):
    """The matcher did not decide all offers in time; the message says how far it came."""


class Speed(Struct, frozen=True, kw_only=True):
    """One run: seconds until the process was ready, offers a second from then on, and each part's share of the time.

    Transaction and applying go on beside the rest, so that the shares may add up to more than 1.
    """

    ready_seconds: float
    rate: float
    shares: dict[str, float]


def bench_known(known: int, arriving: int, clock: Clock, folder: Path) -> Benchmark:
    """Decides `arriving` offers behind `known` ones, and as many behind 10,000; in `folder` 6 KB for each known one.

    Raises `ValueError` for fewer known offers than that, `NotDecided`, `demo.children.ChildFailedError`, and what
    starting Kafka raises.
    """
    if known <= REFERENCE:
        raise ValueError(
            f"expected more than {REFERENCE:,} known offers, the number they are compared with, got {known}"
        )
    ours = _measured(known, arriving, clock, folder / "many")
    reference = _measured(REFERENCE, arriving, clock, folder / "few")
    behind = f"{REFERENCE:,} known"
    label = f"{known // 1_000_000}m" if known >= 1_000_000 else f"{known // 1000}k"
    results = [
        _result(f"decide_{label}", ours.rate, reference.rate, behind, "offers/s"),
        _result(f"start_{label}", ours.ready_seconds, reference.ready_seconds, behind, "s"),
        *(
            _result(f"share of {name}", ours.shares[name], reference.shares[name], behind, "share")
            for name in ours.shares
        ),
    ]
    return Benchmark(
        results=tuple(results), machine=machine(), versions=versions("numpy", "faiss-cpu", "confluent-kafka")
    )


def _measured(known: int, arriving: int, clock: Clock, folder: Path) -> Speed:
    folder.mkdir(parents=True)
    offers = Offers(known, arriving)
    bundle = save_bundle(offers.bundle, folder / "bundle")
    with ExitStack() as stack:
        cluster = stack.enter_context(KafkaCluster(folder / "kafka"))
        cluster.start(can_produce)
        port = _free_port()
        environ = {
            "KAFKA_BOOTSTRAP": cluster.bootstrap,
            "OFFERMATCH_MATCHER_BUNDLE": str(folder / "bundle"),
            "OFFERMATCH_MATCHER_STATE_FOLDER": str(folder / "state"),
            "OFFERMATCH_MATCHER_HTTP_PORT": str(port),
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
        # The first start makes the cells; what is measured is a start like every later one.
        first = stack.enter_context(_matcher(environ, folder))
        first.wait_ready(f"http://127.0.0.1:{port}/readyz", _PATIENCE)
        first.stop(timeout=60)
        with Publisher(settings.kafka, clock, patience=_PATIENCE) as publisher:
            for record in offers.arriving(topics.features, clock.now_ms()):
                publisher.send(record)
        begun = clock.monotonic()
        child = stack.enter_context(_matcher(environ, folder))
        child.wait_ready(f"http://127.0.0.1:{port}/readyz", _PATIENCE)
        ready = clock.monotonic() - begun
        before, after = _watch(child, f"http://127.0.0.1:{port}/metrics", arriving, clock)
    return _speed(ready, before, after)


def _matcher(environ: dict[str, str], folder: Path) -> Child:
    return Child("matcher", ["matcher"], environ, folder / "matcher.log")


def _watch(child: Child, url: str, arriving: int, clock: Clock) -> tuple[Reading, Reading]:
    """The readings of when a tenth was decided, and of when all were."""
    deadline = clock.monotonic() + _PATIENCE
    before = None
    while True:
        now = read_all({"matcher": url}, clock.monotonic())
        done = _decided(now)
        if before is None and done >= arriving / 10:
            before = now
        if before is not None and done >= arriving:
            return before, now
        child.check()
        if clock.monotonic() > deadline:
            raise NotDecided(f"{done:,.0f} of {arriving:,} offers decided after {_PATIENCE:.0f} s:\n{child.tail()}")
        time.sleep(_POLL)


def _speed(ready: float, before: Reading, after: Reading) -> Speed:
    seconds = after.at - before.at

    def share(name: str) -> float:
        return (after.total(name) - before.total(name)) / seconds

    shares = {
        part: sum(share(f"offermatch_{stage}_seconds_sum") for stage in stages) for part, stages in _PARTS.items()
    }
    shares["SQLite, within these"] = share("offermatch_state_busy_seconds")
    return Speed(ready_seconds=ready, rate=(_decided(after) - _decided(before)) / seconds, shares=shares)


def _decided(reading: Reading) -> float:
    return reading.total("offermatch_offers_decided_total")


def _result(name: str, ours: float, reference: float, reference_name: str, unit: str) -> Result:
    ratio = ours / reference if reference else float("nan")
    return Result(name=name, ours=ours, reference=reference, reference_name=reference_name, ratio=ratio, unit=unit)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
