"""The commands `offermatch deadletters`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from offermatch.console import Config, Json, print_json

app = typer.Typer(no_args_is_help=True, help="Dead letters: look at them, send them back.")

Stage = Annotated[str | None, typer.Option(help="Only of this stage: encoder or matcher.")]
Reason = Annotated[str | None, typer.Option(help="Only for this reason, as docs/events.md names them.")]
Since = Annotated[str | None, typer.Option(help="Only from then on: 2026-01-31T12:00:00Z, or how long ago: 90m, 7d.")]
Until = Annotated[str | None, typer.Option(help="Only those before then.")]


@app.command("list")
def deadletters_list(
    stage: Stage = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    latest: Annotated[int, typer.Option(min=0, help="How many to show; all are counted.")] = 20,
    config: Config = None,
    json: Json = False,
) -> None:
    """Count dead letters by reason and show the latest."""
    from rich.console import Console

    from consumers.deadletters.letters import read_filter
    from consumers.deadletters.listing import list_letters, listing_view
    from matcher.clock import SystemClock
    from matcher.settings import load_settings

    chosen = read_filter(stage, reason, since, until, now_ms=SystemClock().now_ms())
    found = list_letters(load_settings(config), chosen, latest)
    Console().print(listing_view(found))
    if json:
        print_json(found)


@app.command("show")
def deadletters_show(
    name: Annotated[str, typer.Argument(help="As the list names it, like 0/17.")],
    out: Annotated[Path | None, typer.Option(help="File for the original's bytes.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show one dead letter with everything."""
    from rich.console import Console

    from consumers.deadletters.letters import find_letter
    from consumers.deadletters.listing import letter_view, shown
    from matcher.settings import load_settings

    letter = find_letter(load_settings(config), name)
    Console().print(letter_view(letter))
    if out is not None:
        out.write_bytes(letter.record.value or b"")
    if json:
        print_json(shown(letter))


@app.command("replay")
def deadletters_replay(
    stage: Stage = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
    stop_on_failure: Annotated[
        bool, typer.Option("--stop-on-failure", help="One at a time; stop at the first that fails again.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Send so many at most.")] = None,
    patience: Annotated[float, typer.Option(min=0, help="Seconds to wait for what becomes of one.")] = 60.0,
    config: Config = None,
    json: Json = False,
) -> None:
    """Send dead letters back where they came from. What was superseded or replayed before is left out."""
    from rich.console import Console

    from consumers.deadletters.letters import read_filter
    from consumers.deadletters.listing import replayed_view
    from consumers.deadletters.replay import Options, replay_letters
    from matcher.clock import SystemClock
    from matcher.settings import load_settings

    chosen = read_filter(stage, reason, since, until, now_ms=SystemClock().now_ms())
    options = Options(dry_run=dry_run, stop_on_failure=stop_on_failure, limit=limit, patience=patience)
    with Console(stderr=True).status("reading") as status:

        def show(done: int, of: int) -> None:
            status.update(f"{done:,} of {of:,} dead letters")

        found = replay_letters(load_settings(config), chosen, options, on_progress=show)
    print(replayed_view(found))
    if json:
        print_json(found)
    if found.failed is not None or found.refused:
        sys.exit(1)
