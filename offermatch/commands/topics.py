"""The commands `offermatch topics`."""

import sys
from typing import Annotated

import typer

from offermatch.console import Config, Json, print_json

app = typer.Typer(no_args_is_help=True, help="The topics on Kafka.")


@app.command("create")
def topics_create(
    config: Config = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for a Kafka that is still starting.")] = 0.0,
    json: Json = False,
) -> None:
    """Create the topics that are missing; those that are there are left as they are, and reported if they are wrong."""
    from matcher.settings import load_settings
    from producers.topic_plan import create

    outcomes = create(load_settings(config), wait)
    for outcome in outcomes:
        print(f"{outcome.name}: {outcome.state}" + "".join(f"\n  {problem}" for problem in outcome.problems))
    if json:
        print_json({"topics": {outcome.name: outcome.state for outcome in outcomes}})
    if any(outcome.problems for outcome in outcomes):
        sys.exit(1)
