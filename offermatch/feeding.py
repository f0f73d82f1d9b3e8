"""The commands that send offers, with their progress bars: `replay` and `simulate`."""

import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from consumers.lag import GroupLag
from consumers.topics import check
from demo.market import open_market
from matcher.clock import SystemClock
from matcher.settings import Settings
from producers.feed import SIMULATED, OfferToSend, feed
from producers.marketplace import Marketplace, write_truth
from producers.plain import Publisher
from producers.replay import ReplaySummary, file_root_hint
from producers.replay import replay as replay_rows
from producers.tables import open_table

#: Seconds between two looks at how far the encoders are.
LAG_INTERVAL = 1.0


class Simulation(Struct, frozen=True, kw_only=True):
    """A marketplace to send. `port` serves its photos; `rate` in offers a second, None: as fast as Kafka takes them."""

    offers: int
    sellers: int
    seed: int
    port: int
    truth: Path
    rate: float | None


def replay_table(path: Path, settings: Settings, *, rate: float | None, limit: int | None) -> ReplaySummary:
    """Sends the rows of a table. Raises `TableUnusable`, `NotDeliveredError`, `ValueError`."""
    console = Console(stderr=True)
    table = open_table(path)
    check(settings, {settings.topics.offers})
    with _progress(console) as progress, Publisher(settings.kafka, SystemClock()) as publisher:
        task = progress.add_task(table.name, total=1.0)
        summary = replay_rows(
            table.offers(),
            publisher,
            lambda at: progress.update(
                task,
                completed=table.fraction(),
                description=f"{table.name}: {at.sent:,} sent, {at.malformed:,} malformed",
            ),
            name=table.name,
            topic=settings.topics.offers,
            clock=SystemClock(),
            rate=rate,
            limit=limit,
        )
    for row in summary.malformed_rows:
        console.print(f"line {row.line}: {row.reason}", markup=False)
    for refusal in summary.refusals:
        console.print(f"{refusal.key}: refused by Kafka: {refusal.reason}", markup=False)
    console.print(
        f"{summary.sent:,} offers sent in {summary.seconds:.1f} s ({summary.updates:,} of them updates), "
        f"{summary.malformed:,} malformed rows, {summary.refused:,} refused by Kafka"
    )
    if summary.photo_files:
        console.print(file_root_hint(table.path), markup=False)
    return summary


def simulate_market(simulation: Simulation, settings: Settings) -> int:
    """Sends a marketplace and serves its photos until the encoders have caught up. Returns the number of offers."""
    console = Console(stderr=True)
    clock = SystemClock()
    check(settings, {settings.topics.offers})
    with open_market(simulation.seed, simulation.offers, simulation.sellers, simulation.port) as market:
        write_truth(simulation.truth, market)
        with _progress(console) as progress, Publisher(settings.kafka, clock) as publisher:
            task = progress.add_task("offers sent", total=len(market))
            sent = feed(
                _offers(market),
                publisher,
                topic=settings.topics.offers,
                source=SIMULATED,
                clock=clock,
                rate=simulation.rate,
                on_progress=lambda count: progress.update(task, completed=count),
            )
        console.print(f"{sent:,} offers sent; their true products are in {simulation.truth}")
        _serve_until_encoded(settings, sent, console)
    return sent


def _offers(market: Marketplace) -> Iterator[OfferToSend]:
    for arrival, (key, value) in enumerate(market.records()):
        yield OfferToSend(key=key, value=value, event_id=f"offer-{arrival}")


def _serve_until_encoded(settings: Settings, total: int, console: Console) -> None:
    lag = GroupLag(settings.kafka, settings.encoder.group, settings.topics.offers)
    with _progress(console) as progress:
        task = progress.add_task("photos served; offers encoded (Ctrl-C stops waiting)", total=total)
        try:
            while behind := lag.records():
                progress.update(task, completed=max(0, total - behind))
                time.sleep(LAG_INTERVAL)
        except KeyboardInterrupt:
            console.print("stopped before all offers were encoded: the rest find no photos")
        finally:
            lag.close()


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console
    )
