"""The commands `offermatch index`."""

import sys
from typing import Annotated, Any

import msgspec
import typer

from offermatch.console import Config, Json, print_json

app = typer.Typer(no_args_is_help=True, help="The matcher's state and index.")


@app.command("verify")
def index_verify(config: Config = None, json: Json = False) -> None:
    """Check that state and index of a stopped matcher agree, partition by partition."""
    from consumers.matching.inspection import verify_partitions
    from matcher.settings import load_settings

    result = verify_partitions(load_settings(config))
    for problem in result.problems:
        print(problem)
    print(f"{result.offers} offers, {result.indexed} indexed: {'ok' if result.ok else 'NOT ok'}")
    if json:
        print_json(result)
    if not result.ok:
        sys.exit(1)


@app.command("inspect")
def index_inspect(
    config: Config = None,
    probes: Annotated[int, typer.Option(min=1, help="Offers that are searched for exactly, too.")] = 64,
    json: Json = False,
) -> None:
    """Sizes, blocks, memory, balance and recall of a stopped matcher's index; of one in a cluster, what that tells."""
    from consumers.matching.inspection import inspect_partitions
    from matcher.settings import load_settings

    _inspected(inspect_partitions(load_settings(config), probes), json)


@app.command("rebuild")
def index_rebuild(
    config: Config = None,
    probes: Annotated[int, typer.Option(min=1, help="Offers that are searched for exactly, too.")] = 64,
    json: Json = False,
) -> None:
    """Build the cells of a stopped matcher's index anew from its state."""
    from consumers.matching.inspection import rebuild_partitions
    from matcher.settings import load_settings

    _inspected(rebuild_partitions(load_settings(config), probes), json)


def _inspected(found: Any, json: bool) -> None:
    for one in found:
        print(msgspec.json.format(msgspec.json.encode(one), indent=2).decode())
    if json:
        print_json({"partitions": found})
