"""Offers sent to the topics, and what became of them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from offermatch.console import Config, Json, print_json

RATE = "Offers a second at most; 0: as fast as Kafka takes them."


def replay(
    table: Annotated[Path, typer.Argument(help="Offer table (.csv, .jsonl, .parquet), or a folder that holds one.")],
    config: Config = None,
    rate: Annotated[float, typer.Option(min=0, help=RATE)] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Rows at most.")] = None,
    json: Json = False,
) -> None:
    """Send an offer table to the topic offers. A malformed row is reported with its line and stops nothing."""
    from matcher.settings import load_settings
    from producers.replay_table import replay_table

    summary = replay_table(table, load_settings(config), rate=rate or None, limit=limit)
    if json:
        print_json(summary)
    if summary.refused:
        sys.exit(1)


def simulate(
    offers: Annotated[int, typer.Option(min=1, help="How many offers.")] = 1000,
    sellers: Annotated[int, typer.Option(min=1, help="How many sellers.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same marketplace.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder for an offer table with photos; nothing is sent, no Kafka needed.")
    ] = None,
    per_style: Annotated[
        int | None,
        typer.Option(min=1, help="With --out: of one style so many offers at most, so that more styles fit."),
    ] = None,
    truth: Annotated[Path, typer.Option(help="File for the true product of every offer.")] = Path("truth.csv"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port for the photos; part of their URLs.")] = 8765,
    rate: Annotated[float, typer.Option(min=0, help=RATE)] = 0,
    config: Config = None,
    json: Json = False,
) -> None:
    """Send a simulated marketplace to the topic offers and serve its photos until all are encoded; or write a table."""
    from consumers.simulation import Simulation, simulate_market, write_market
    from matcher.settings import load_settings
    from producers.marketplace.table import Plan

    if out is not None:
        photos = write_market(Plan(seed=seed, offers=offers, sellers=sellers, per_style=per_style), out)
        if json:
            print_json({"offers": offers, "photos": photos, "table": str(out)})
        return
    if per_style is not None:
        raise typer.BadParameter("--per-style is for tables: give --out too")
    simulation = Simulation(offers=offers, sellers=sellers, seed=seed, port=port, truth=truth, rate=rate or None)
    sent = simulate_market(simulation, load_settings(config))
    if json:
        print_json({"offers": sent, "truth": str(truth)})


def report(
    truth: Annotated[Path, typer.Option(help="Offer table with offer_id and product_id.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Compare the decisions on the topics with known product ids."""
    from rich.console import Console

    from consumers.render import report_view
    from consumers.report import collect
    from consumers.truth import read_truth
    from matcher.settings import load_settings

    found = collect(settings=load_settings(config), truth=read_truth(truth))
    Console().print(report_view(found))
    if json:
        print_json(found)
