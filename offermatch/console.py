"""What the commands share: options that several have, and how they print."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings; the environment wins over it.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]


def print_json(value: Any) -> None:
    """One line."""
    print(msgspec.json.encode(value).decode(), flush=True)


def kafka_jars() -> Any:
    """Kafka's jars, fetched with a progress bar the first time."""
    from rich.console import Console
    from rich.progress import Progress

    from broker.jars import ensure_jars

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Apache Kafka", total=None, visible=False)

        def show(done: int, total: int, name: str) -> None:
            progress.update(task, description=f"Apache Kafka: {name}", completed=done, total=total, visible=True)

        return ensure_jars(progress=show)
