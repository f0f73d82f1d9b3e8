"""The command `simulate`: a marketplace's offers to Kafka, its photos served until the encoders have caught up; or all
of it as an offer table."""

import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from rich.console import Console

from consumers.lag import GroupLag
from matcher.clock import SystemClock
from matcher.settings import Settings
from producers.feed import SIMULATED, OfferToSend, feed
from producers.marketplace import Marketplace, write_truth
from producers.marketplace.process import open_market
from producers.marketplace.table import Plan, write_table
from producers.plain import Publisher
from producers.progress import progress_bar
from producers.topic_plan import check

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


def simulate_market(simulation: Simulation, settings: Settings) -> int:
    """Sends a marketplace and serves its photos until the encoders have caught up. Returns the number of offers."""
    console = Console(stderr=True)
    clock = SystemClock()
    check(settings, {settings.topics.offers})
    with open_market(simulation.seed, simulation.offers, simulation.sellers, simulation.port) as market:
        write_truth(simulation.truth, market)
        with progress_bar(console) as progress, Publisher(settings.kafka, clock) as publisher:
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
        console.print(f"{sent:,} offers sent; their true products are in {simulation.truth}", soft_wrap=True)
        _serve_until_encoded(settings, sent, console)
    return sent


def write_market(plan: Plan, folder: Path) -> int:
    """Writes a marketplace as an offer table with its photos. Returns the number of photos.

    Raises `FolderRefusedError` for a folder that holds something else, and `OSError`.
    """
    console = Console(stderr=True)
    with progress_bar(console) as progress:
        task = progress.add_task(f"{folder}: offers with their photos", total=plan.offers)
        photos = write_table(folder, plan, on_progress=lambda count: progress.update(task, completed=count))
    console.print(f"{plan.offers:,} offers and {photos:,} photos are in {folder}", soft_wrap=True)
    return photos


def _offers(market: Marketplace) -> Iterator[OfferToSend]:
    for arrival, (key, value) in enumerate(market.records()):
        yield OfferToSend(key=key, value=value, event_id=f"offer-{arrival}")


def _serve_until_encoded(settings: Settings, total: int, console: Console) -> None:
    lag = GroupLag(settings.kafka, settings.encoder.group, settings.topics.offers)
    with progress_bar(console) as progress:
        task = progress.add_task("photos served; offers encoded (Ctrl-C stops waiting)", total=total)
        try:
            while behind := lag.records():
                progress.update(task, completed=max(0, total - behind))
                time.sleep(LAG_INTERVAL)
            progress.update(task, completed=total)
        except KeyboardInterrupt:
            console.print("stopped before all offers were encoded: the rest find no photos", soft_wrap=True)
        finally:
            lag.close()
