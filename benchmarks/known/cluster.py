"""The matcher process on a Weaviate cluster, against two bare client loops on the same one, in turns."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.known.bare import BareLoop
from benchmarks.known.offers import Offers
from benchmarks.known.processor import processor_seconds
from benchmarks.known.stage import PATIENCE, staged
from benchmarks.results import Benchmark, Result, machine, versions
from broker.weaviate.cluster import WeaviateCluster
from matcher.clock import Clock
from matcher.weaviate_settings import weaviate_settings
from producers.plain import Publisher

OWN: Final = "own"
"""In the place of a url: a node that is started for the measurement."""


def bench_cluster(url: str, known: int, arriving: int, rounds: int, *, clock: Clock, folder: Path) -> Benchmark:
    """Behind `known` offers, `arriving` are decided in each of `rounds` rounds and one before them.

    All collections begin with the known offers and grow alike; the bare loops ask for as many nearest as the matcher
    has candidates, in batches of the matcher's size: one with Weaviate's client, one with the matcher's messages.
    `url`: as in the matcher's settings, or OWN. Raises `benchmarks.known.stage.NotDecided`,
    `demo.children.ChildFailedError`, `index_store.weaviate.errors.WeaviateError`, and what starting Kafka and Weaviate
    raises.
    """
    offers = Offers(known, (rounds + 1) * arriving)
    with ExitStack() as stack:
        nodes: list[int] = []
        if url == OWN:
            cluster = stack.enter_context(WeaviateCluster(folder / "weaviate"))
            cluster.start()
            url, nodes = cluster.url, [*cluster.pids.values()]
        stage = stack.enter_context(staged(offers, folder / "matcher", {"OFFERMATCH_WEAVIATE_URL": url}))
        settings = weaviate_settings(stage.settings.weaviate)
        assert settings is not None
        child = stack.enter_context(stage.matcher())
        stage.wait_ready(child)
        candidates = offers.bundle.search.candidates
        loops = {
            name: stack.enter_context(BareLoop(offers, known, candidates, settings, messages=messages))
            for name, messages in (("bare client loop", False), ("bare loop of messages", True))
        }
        publisher = stack.enter_context(Publisher(stage.settings.kafka, clock, patience=PATIENCE))
        records = offers.arriving(stage.settings.topics.features, clock.now_ms())
        ours = Turns(clock, [child.pid], nodes, arriving)
        references = {name: Turns(clock, [os.getpid()], nodes, arriving) for name in loops}
        for number in range(rounds + 1):
            wave = list(itertools.islice(records, arriving))
            with ours.turn():
                for record in wave:
                    publisher.send(record)
                stage.wait_decided(child, (number + 1) * arriving, clock)
            first = known + number * arriving
            for name, loop in loops.items():
                with references[name].turn():
                    loop.run(range(first, first + arriving), stage.settings.matcher.batch_size)
    label = f"weaviate_{known // 1000}k"
    results = []
    for name, reference in references.items():
        rates = [1 / one for one in ours.wall], [1 / one for one in reference.wall]
        results.append(_result(f"decide_{label}", *rates, name, "offers/s"))
        clients = [1e3 * one for one in ours.client], [1e3 * one for one in reference.client]
        results.append(_result(f"client_{label}", *clients, name, "ms of CPU an offer"))
        servers = [1e3 * one for one in ours.server], [1e3 * one for one in reference.server]
        if nodes:
            results.append(_result(f"server_{label}", *servers, name, "ms of CPU an offer"))
    return Benchmark(results=tuple(results), machine=machine(), versions=versions("weaviate-client", "grpcio", "numpy"))


class Turns:
    """What each turn took for an offer, in seconds: by the clock, and of processor time in client and servers."""

    def __init__(self, clock: Clock, client: Sequence[int], servers: Sequence[int], offers: int) -> None:
        self._clock = clock
        self._pids = client, servers
        self._offers = offers
        self.wall: list[float] = []
        self.client: list[float] = []
        self.server: list[float] = []

    @contextmanager
    def turn(self) -> Iterator[None]:
        before = self._now()
        yield
        taken = [(later - sooner) / self._offers for later, sooner in zip(self._now(), before, strict=True)]
        for column, seconds in zip((self.wall, self.client, self.server), taken, strict=True):
            column.append(seconds)

    def _now(self) -> tuple[float, float, float]:
        client, servers = self._pids
        return self._clock.monotonic(), processor_seconds(client), processor_seconds(servers)


def _result(name: str, ours: Sequence[float], reference: Sequence[float], reference_name: str, unit: str) -> Result:
    """Medians of all rounds but the first, which warms both up; the ratio is that of a round."""
    return Result(
        name=name,
        ours=median(ours[1:]),
        reference=median(reference[1:]),
        reference_name=reference_name,
        ratio=median(one / other for one, other in zip(ours[1:], reference[1:], strict=True)),
        unit=unit,
    )
