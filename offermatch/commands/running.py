"""What runs until it is stopped, and the demo, which runs all of it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from offermatch.console import Config, Json, kafka_jars, print_json


def encoder(config: Config = None) -> None:
    """Run an encoder: topic offers → topic offer-features."""
    from consumers.encoding.process import run_encoder
    from consumers.logs import configure_logging
    from consumers.stopping import Stopping
    from matcher.settings import load_settings

    settings = load_settings(config)
    configure_logging("encoder", settings.process.log_level)
    stopping = Stopping()
    stopping.install()
    run_encoder(settings, stopping)


def matcher(config: Config = None) -> None:
    """Run a matcher: topic offer-features → topics matches and needs-review."""
    from consumers.logs import configure_logging
    from consumers.matching.process import run_matcher
    from consumers.stopping import Stopping
    from matcher.settings import load_settings

    settings = load_settings(config)
    configure_logging("matcher", settings.process.log_level)
    stopping = Stopping()
    stopping.install()
    run_matcher(settings, stopping)


def broker(
    data: Annotated[Path, typer.Option(help="Folder for Kafka's data; kept between runs.")] = Path(
        "offermatch-data/kafka"
    ),
    nodes: Annotated[int, typer.Option(min=1, help="Brokers in the cluster, an odd number.")] = 1,
    port: Annotated[
        list[int] | None,
        typer.Option(
            min=1, max=65535, help="Client port, once for each node; without it those of the last run, or free ones."
        ),
    ] = None,
    heap: Annotated[str, typer.Option(help="Largest Java heap of a node.")] = "512m",
    json: Json = False,
) -> None:
    """Run a real Apache Kafka on this machine, until interrupted. Needs no Java, only the extra `kafka`."""
    from broker.cluster import KafkaCluster
    from broker.run import run_foreground
    from producers.topics import can_produce

    def announce(bootstrap: str) -> None:
        print(
            f"Kafka is ready at {bootstrap}; Ctrl-C stops it. "
            f"For other processes:\n  export KAFKA_BOOTSTRAP={bootstrap}"
        )
        if json:
            print_json({"bootstrap": bootstrap, "nodes": nodes, "data": str(data)})
        sys.stdout.flush()

    cluster = KafkaCluster(data, nodes, port, heap=heap, jars=kafka_jars())
    if not run_foreground(cluster, lambda bootstrap: can_produce(bootstrap, nodes), announce):
        sys.exit(1)


def demo(
    offers: Annotated[int, typer.Option(min=2, help="How many offers.")] = 1000,
    sellers: Annotated[int, typer.Option(min=2, help="How many sellers.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same marketplace.")] = 1,
    rate: Annotated[float, typer.Option(min=0, help="Offers a second at most; 0: as fast as they are decided.")] = 0,
    undecided: Annotated[int, typer.Option(min=0, help="Offers under way at most; 0: any number.")] = 48,
    folder: Annotated[Path, typer.Option(help="Kafka's data, state and logs; emptied at the start.")] = Path(
        "offermatch-data/demo"
    ),
    json: Json = False,
) -> None:
    """Run everything on this machine, fed by a simulated marketplace, and show it working."""
    from rich.console import Console

    from consumers.render import report_view
    from demo.run import DemoFailedError, Options, run_demo

    console = Console()
    options = Options(offers=offers, sellers=sellers, seed=seed, rate=rate, undecided=undecided, folder=folder)
    found = run_demo(options, console, kafka_jars)
    console.print(report_view(found))
    if json:
        print_json(found)
    if found.decided < offers:
        raise DemoFailedError(
            f"{found.decided} of {offers} offers were decided, {found.dead_letters} ended as dead letters"
        )
