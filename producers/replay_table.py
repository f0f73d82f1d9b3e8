"""The command `replay`: a table on its way to Kafka, with a progress bar, and what was wrong with it in the end."""

from pathlib import Path

from rich.console import Console

from matcher.clock import SystemClock
from matcher.settings import Settings
from producers.plain import Publisher
from producers.progress import progress_bar
from producers.replay import ReplaySummary, file_root_hint, replay
from producers.tables import open_table
from producers.topic_plan import check


def replay_table(path: Path, settings: Settings, *, rate: float | None, limit: int | None) -> ReplaySummary:
    """Sends the rows of a table. Raises `TableUnusable`, `NotDeliveredError`, `ValueError`."""
    console = Console(stderr=True)
    table = open_table(path)
    check(settings, {settings.topics.offers})
    with progress_bar(console) as progress, Publisher(settings.kafka, SystemClock()) as publisher:
        task = progress.add_task(table.name, total=1.0)
        summary = replay(
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
        console.print(f"line {row.line}: {row.reason}", markup=False, soft_wrap=True)
    for refusal in summary.refusals:
        console.print(f"{refusal.key}: refused by Kafka: {refusal.reason}", markup=False, soft_wrap=True)
    console.print(
        f"{summary.sent:,} offers sent in {summary.seconds:.1f} s ({summary.updates:,} of them updates), "
        f"{summary.malformed:,} malformed rows, {summary.refused:,} refused by Kafka",
        soft_wrap=True,
    )
    if summary.photo_files:
        console.print(file_root_hint(table.path), markup=False, soft_wrap=True)
    return summary
