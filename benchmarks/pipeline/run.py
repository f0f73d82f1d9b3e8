"""The rounds: both sides take turns with the same offers, all at once and then at half of what they can do."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
from msgspec import Struct

from benchmarks.pipeline.side import Measured, Side, numbered
from benchmarks.results import Benchmark, Result, compared, machine, versions
from broker.cluster import KafkaCluster
from matcher.clock import Clock
from producers.feed import OfferToSend
from producers.marketplace import Marketplace
from producers.marketplace.process import open_market
from producers.topics import can_produce

SEED, SELLERS = 11, 50
#: Offers of the round that is not counted: models are warm and topics known after it.
WARM = 100
REFERENCE = "at-least-once"
#: Offers at half load, at most.
MOST_AT_HALF_LOAD = 40_000


class Plan(Struct, frozen=True, kw_only=True):
    """How much is measured. `starter`: offers with photos for the starter encoder, in each round; 0: none."""

    offers: int
    rounds: int
    seconds: float
    starter: int


def bench_pipeline(plan: Plan, clock: Clock, folder: Path, tell: Callable[[str], None]) -> Benchmark:
    """Starts a Kafka in `folder` and runs encoder and matcher on it as processes, with transactions and without.

    Raises `StalledError` and `ChildFailedError`, and what starting Kafka raises.
    """
    results: list[Result] = []
    with KafkaCluster(folder / "kafka") as cluster:
        cluster.start(can_produce)
        tell("the dummy encoder, offers without photos: what the guarantees cost")
        most = WARM + plan.rounds * plan.offers + MOST_AT_HALF_LOAD
        market = Marketplace(SEED, most, SELLERS)
        with _sides(cluster.bootstrap, "dummy", "untrained-dummy", clock, folder / "dummy") as sides:
            results += _measure("dummy", sides, _Feed(market, photos=False), offers=plan.offers, plan=plan, tell=tell)
        if plan.starter:
            tell("the starter encoder and bundle, offers with photos: what encoding leaves of that")
            most = WARM + (plan.rounds + 10) * plan.starter
            with (
                open_market(SEED, most, SELLERS) as market,
                _sides(cluster.bootstrap, "starter", "starter", clock, folder / "starter") as sides,
            ):
                results += _measure(
                    "starter", sides, _Feed(market, photos=True), offers=plan.starter, plan=plan, tell=tell
                )
    return Benchmark(results=tuple(results), machine=machine(), versions=versions("confluent-kafka", "faiss-cpu"))


class _Feed:
    """The offers of a marketplace, each once."""

    def __init__(self, market: Marketplace, *, photos: bool) -> None:
        self._market = market
        self._photos = photos
        self._next = 0

    def take(self, count: int) -> list[OfferToSend]:
        """The next `count`, or those that are left."""
        first, self._next = self._next, min(self._next + count, len(self._market))
        return list(numbered(self._record(number) for number in range(first, self._next)))

    def _record(self, number: int) -> tuple[bytes, bytes]:
        offer = self._market[number].offer
        if not self._photos:
            offer = msgspec.structs.replace(offer, image_urls=())
        return offer.offer_id.encode(), msgspec.json.encode(offer)


@contextmanager
def _sides(bootstrap: str, encoder: str, bundle: str, clock: Clock, folder: Path) -> Iterator[Sequence[Side]]:
    """Ours and the reference, both running."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(Side(name, module, bootstrap, encoder, bundle, clock=clock, folder=folder))
            for name, module in (("ours", "offermatch"), (REFERENCE, "benchmarks.pipeline.process"))
        ]


def _measure(
    name: str, sides: Sequence[Side], feed: _Feed, *, offers: int, plan: Plan, tell: Callable[[str], None]
) -> list[Result]:
    """`offers` in each round."""
    warm = feed.take(WARM)
    for side in sides:
        side.run(warm)
    rounds: list[list[Measured]] = [[] for _ in sides]
    for number in range(plan.rounds):
        batch = feed.take(offers)
        # Whoever is first finds Kafka busier, or less so: they change places.
        for place in (0, 1) if number % 2 == 0 else (1, 0):
            rounds[place].append(sides[place].run(batch))
            tell(f"round {number + 1}, {sides[place].name}: {_rate(rounds[place][-1]):,.0f} offers/s")
    ours, reference = (median(map(_rate, found)) for found in rounds)
    work = [median(1000 * one.processor / one.offers for one in found) for found in rounds]
    half = min(ours, reference) / 2
    batch = feed.take(int(half * plan.seconds))
    tell(f"{len(batch):,} offers at {half:,.0f} a second")
    steady = [side.run(batch, rate=half).latencies for side in sides]
    return [
        compared(f"throughput_{name}", ours, reference, REFERENCE, "offers/s"),
        compared(f"processor_seconds_per_1000_{name}", work[0], work[1], REFERENCE, "s"),
        *(_latency(f"latency_p{share}_{name}", steady, share) for share in (50, 99)),
    ]


def _latency(name: str, steady: Sequence[Sequence[float]], share: int) -> Result:
    ours, reference = (float(np.percentile(one, share)) for one in steady)
    return compared(name, ours, reference, REFERENCE, "s")


def _rate(one: Measured) -> float:
    return one.offers / one.seconds
