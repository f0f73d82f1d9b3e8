"""Runs the demo: Kafka, encoder, matcher and sellers on this machine, watched until every offer is decided."""

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct
from rich.console import Console
from rich.live import Live

from broker.cluster import KafkaCluster
from consumers.report import collect
from consumers.truth import read_truth
from consumers.watching import DecisionWatcher
from demo.children import Child
from demo.folder import own_folder
from demo.latest import Latest
from demo.promise import kept, promised
from demo.readings import Reading, rates, read_all
from demo.sellers import Sellers
from demo.view import draw, line
from matcher.clock import SystemClock
from matcher.evaluation import Report
from matcher.model import load_bundle
from matcher.settings import load_settings
from producers.marketplace import Marketplace, write_truth
from producers.marketplace.process import open_market
from producers.topic_plan import create
from producers.topics import can_produce

#: Seconds without a single new decision after which the demo gives up.
STALL = 120.0
PLAIN_INTERVAL = 5.0
#: Readings, half a second apart, over which rates and means are taken.
WINDOW = 40


class Options(Struct, frozen=True, kw_only=True):
    """What to show. `folder` belongs to demos alone: it must not hold anything else, and is emptied at the start.

    `rate` is offers a second, 0: as fast as they are decided. `undecided`: how many offers may wait for their decision
    before the sellers wait too, 0: any number.
    """

    offers: int
    sellers: int
    seed: int
    rate: float
    undecided: int
    folder: Path


class DemoFailedError(RuntimeError):
    """The pipeline did not decide every offer; the message says how far it came."""


def run_demo(options: Options, console: Console, kafka_jars: Callable[[], object]) -> Report:
    """Starts everything, shows it until every offer is decided, stops it again; returns the comparison with the truth.

    Uses the Kafka that `KAFKA_BOOTSTRAP` names, under topic names of its own, else one that it starts itself.
    Raises `DemoFailedError`, `ChildFailedError`, `BundleUnusable`, and what starting Kafka raises.
    """
    clock = SystemClock()
    truth = options.folder / "truth.csv"
    with ExitStack() as stack:
        stack.enter_context(own_folder(options.folder))
        bootstrap = os.environ.get("KAFKA_BOOTSTRAP") or _own_kafka(stack, options.folder, console, kafka_jars)
        environ = _environ(options.folder, bootstrap)
        settings = load_settings(environ={**os.environ, **environ})
        bundle = load_bundle(settings.matcher.bundle)
        create(settings, wait=30)
        console.print(f"Kafka at {bootstrap}; starting encoder and matcher, logs in {options.folder}", soft_wrap=True)
        console.print(promised(bundle), soft_wrap=True, highlight=False)
        market = stack.enter_context(open_market(options.seed, options.offers, options.sellers))
        children = [
            stack.enter_context(Child(name, [name], environ, options.folder / f"{name}.log"))
            for name in ("encoder", "matcher")
        ]
        ports = {"encoder": settings.encoder.http_port, "matcher": settings.matcher.http_port}
        for child in children:
            child.wait_ready(f"http://127.0.0.1:{ports[child.name]}/readyz", timeout=180)
        write_truth(truth, market)
        screen = Latest(_titles(market))
        stack.enter_context(DecisionWatcher(settings, screen.take))
        feed = Sellers(settings, market, rate=options.rate or None, undecided=options.undecided)
        feed.start()
        urls = {name: f"http://127.0.0.1:{port}/metrics" for name, port in ports.items()}
        _watch(options, console, clock, urls, children, feed, screen)
        found = collect(settings=settings, truth=read_truth(truth))
        console.print(kept(bundle, found), soft_wrap=True, highlight=False)
        return found


def _own_kafka(stack: ExitStack, folder: Path, console: Console, kafka_jars: Callable[[], object]) -> str:
    kafka_jars()
    console.print("Starting Apache Kafka")
    cluster = stack.enter_context(KafkaCluster(folder / "kafka"))
    cluster.start(can_produce)
    return cluster.bootstrap


def _environ(folder: Path, bootstrap: str) -> dict[str, str]:
    """The processes' settings: names, ports and folders of the demo's own."""
    prefix = f"demo-{time.time_ns() // 1_000_000}-"
    encoder, matcher = _free_ports(2)
    return {
        "KAFKA_BOOTSTRAP": bootstrap,
        "OFFERMATCH_TOPICS_PREFIX": prefix,
        "OFFERMATCH_ENCODER_GROUP": f"{prefix}encoder",
        "OFFERMATCH_MATCHER_GROUP": f"{prefix}matcher",
        "OFFERMATCH_MATCHER_STATE_FOLDER": str(folder / "state"),
        "OFFERMATCH_ENCODER_HTTP_PORT": str(encoder),
        "OFFERMATCH_MATCHER_HTTP_PORT": str(matcher),
    }


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _titles(market: Marketplace) -> Callable[[str], str]:
    """Offer ids of the marketplace end with the number of their arrival."""

    def title(offer_id: str) -> str:
        return market[int(offer_id.rpartition("-")[2])].offer.title or offer_id

    return title


def _watch(  # noqa: PLR0917 - everything there is to watch
    options: Options,
    console: Console,
    clock: SystemClock,
    urls: Mapping[str, str],
    children: list[Child],
    feed: Sellers,
    screen: Latest,
) -> None:
    """Shows the pipeline at work until all is decided. Raises when it stops short of that."""
    history = deque([read_all(urls, clock.monotonic())], maxlen=WINDOW)
    progress, last_change, last_line = 0.0, clock.monotonic(), 0.0
    with Live(console=console, refresh_per_second=4, transient=False) if console.is_terminal else _nothing() as live:
        while progress < options.offers:
            time.sleep(0.5)
            for child in children:
                child.check()
            if feed.failure is not None:
                raise DemoFailedError(f"the offers could not be sent: {feed.failure}") from feed.failure
            now = read_all(urls, clock.monotonic())
            rate = rates(history[0], now)
            history.append(now)
            done = _done(now)
            feed.decided = int(done)
            if done > progress:
                progress, last_change = done, now.at
            if live is not None:
                live.update(draw(options.offers, feed.sent, now, rate, screen.newest_first()))
            elif now.at - last_line >= PLAIN_INTERVAL:
                console.print(line(options.offers, now, rate), soft_wrap=True, highlight=False)
                last_line = now.at
            if now.at - last_change > STALL:
                tails = "\n".join(f"{child.name}:\n{child.tail()}" for child in children)
                raise DemoFailedError(
                    f"{progress:,.0f} of {options.offers:,} offers decided, none in the last {STALL:.0f} s\n{tails}"
                )


def _done(now: Reading) -> float:
    return now.total("offermatch_offers_decided_total") + now.total("offermatch_dead_letters_total")


@contextmanager
def _nothing() -> Iterator[None]:
    yield None
