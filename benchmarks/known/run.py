"""The run itself: a matcher process on a Kafka of its own decides offers behind few known ones, and behind many."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import Struct

from benchmarks.known.offers import Offers
from benchmarks.known.stage import PATIENCE, Stage, decided, staged
from benchmarks.results import Benchmark, Result, machine, versions
from demo.children import Child
from demo.readings import Reading
from matcher.clock import Clock
from producers.plain import Publisher

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


class Speed(Struct, frozen=True, kw_only=True):
    """One run: seconds until the process was ready, offers a second from then on, and each part's share of the time.

    Transaction and applying go on beside the rest, so that the shares may add up to more than 1.
    """

    ready_seconds: float
    rate: float
    shares: dict[str, float]


def bench_known(known: int, arriving: int, clock: Clock, folder: Path, *, updates: float = 0.0) -> Benchmark:
    """Decides `arriving` offers behind `known` ones, and as many behind 10,000; in `folder` 6 KB for each known one.

    `updates`: the share of those arriving that are new versions of known ones. Raises `ValueError` for fewer known
    offers than that, what `Stage.wait_decided` raises, and what starting Kafka raises.
    """
    if known <= REFERENCE:
        raise ValueError(
            f"expected more than {REFERENCE:,} known offers, the number they are compared with, got {known}"
        )
    ours = _measured(Offers(known, arriving, updates=updates), arriving, clock, folder / "many")
    reference = _measured(Offers(REFERENCE, arriving, updates=updates), arriving, clock, folder / "few")
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


def _measured(offers: Offers, arriving: int, clock: Clock, folder: Path) -> Speed:
    with staged(offers, folder, {}) as stage:
        # The first start makes the cells; what is measured is a start like every later one.
        with stage.matcher() as first:
            stage.wait_ready(first)
        with Publisher(stage.settings.kafka, clock, patience=PATIENCE) as publisher:
            for record in offers.arriving(stage.settings.topics.features, clock.now_ms()):
                publisher.send(record)
        begun = clock.monotonic()
        with stage.matcher() as child:
            stage.wait_ready(child)
            ready = clock.monotonic() - begun
            before, after = _watch(child, stage, arriving, clock)
    return _speed(ready, before, after)


def _watch(child: Child, stage: Stage, arriving: int, clock: Clock) -> tuple[Reading, Reading]:
    """The readings of when a tenth was decided, and of when all were."""
    before = stage.wait_decided(child, arriving / 10, clock)
    return before, stage.wait_decided(child, arriving, clock)


def _speed(ready: float, before: Reading, after: Reading) -> Speed:
    seconds = after.at - before.at

    def share(name: str) -> float:
        return (after.total(name) - before.total(name)) / seconds

    shares = {
        part: sum(share(f"offermatch_{stage}_seconds_sum") for stage in stages) for part, stages in _PARTS.items()
    }
    shares["SQLite, within these"] = share("offermatch_state_busy_seconds")
    return Speed(ready_seconds=ready, rate=(decided(after) - decided(before)) / seconds, shares=shares)


def _result(name: str, ours: float, reference: float, reference_name: str, unit: str) -> Result:
    ratio = ours / reference if reference else float("nan")
    return Result(name=name, ours=ours, reference=reference, reference_name=reference_name, ratio=ratio, unit=unit)
