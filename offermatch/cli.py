"""The command line `offermatch`. It only wires: every command calls one function of the packages beside it."""

import faulthandler
import io
import sys
from contextlib import suppress

import typer

from offermatch.commands import bench, bundle, deadletters, index, market, models, running, topics

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Matches product offers of many sellers in real time.",
)
for command in (
    running.encoder,
    running.matcher,
    running.broker,
    running.demo,
    market.replay,
    market.simulate,
    market.report,
    models.rollout,
    models.train,
    models.evaluate,
    models.ablate,
):
    app.command()(command)
for name, group in {
    "topics": topics.app,
    "deadletters": deadletters.app,
    "bench": bench.app,
    "bundle": bundle.app,
    "index": index.app,
}.items():
    app.add_typer(group, name=name)

#: Whatever these packages define as an exception is meant for people: its message says what was expected.
OURS = {"matcher", "index_store", "consumers", "producers", "broker", "demo", "benchmarks"}


def main() -> None:
    """Runs the command line; an expected failure is one line on standard error and exit status 1.

    Should a library written in C crash, standard error says where each thread was.
    """
    with suppress(io.UnsupportedOperation):  # standard error may be no file where this is called from Python
        faulthandler.enable()
    try:
        app()
    except Exception as error:
        if not _is_expected(error):
            raise
        print(f"offermatch: {error}", file=sys.stderr)
        sys.exit(1)


def _is_expected(error: Exception) -> bool:
    """Errors of ours, of the operating system (files, ports, time-outs), and Kafka's."""
    origin = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError) or origin in OURS or origin in ("cimpl", "confluent_kafka")
