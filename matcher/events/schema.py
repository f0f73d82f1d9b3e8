"""JSON Schema (2020-12) of the topics, generated from their Structs: `python -m matcher.events.schema [--check]`.

`offer-features` travels as MessagePack, so its schema is documentation: what it calls base64 is binary there.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from matcher.events.decision import Decision
from matcher.events.features import OfferFeatures
from matcher.events.offer import Offer
from matcher.events.review import ReviewTask, Verdict

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path("docs/schemas")

#: The value of each topic. A null value is no JSON: on the compacted topics it says that the offer is gone.
TOPICS: dict[str, type[Struct]] = {
    "offers": Offer,
    "offer-features": OfferFeatures,
    "matches": Decision,
    "needs-review": ReviewTask,
    "verdicts": Verdict,
}


def schema_of(topic: str) -> dict[str, Any]:
    """The schema of one topic's value, titles and descriptions taken from the Structs and their docstrings."""
    (reference,), components = msgspec.json.schema_components([TOPICS[topic]], ref_template="#/$defs/{name}")
    for component in components.values():
        if "description" in component:
            component["description"] = _flowing(component["description"])
    return {
        "$schema": DIALECT,
        "$id": f"urn:offermatch:{topic}",
        "title": f"A value of the topic {topic}",
        **reference,
        "$defs": {name: components[name] for name in sorted(components)},
    }


def schema_text(topic: str) -> str:
    """The content of `<topic>.json`."""
    return msgspec.json.format(msgspec.json.encode(schema_of(topic)), indent=2).decode() + "\n"


def out_of_step(folder: Path) -> list[str]:
    """The topics whose file in `folder` is missing or differs from the Structs."""
    return [topic for topic in TOPICS if _read(folder / f"{topic}.json") != schema_text(topic)]


def write_schemas(folder: Path) -> None:
    """Writes a file for every topic into `folder`, made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    for topic in TOPICS:
        (folder / f"{topic}.json").write_text(schema_text(topic), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the files, or with `--check` says which are not in step; the exit status tells."""
    parser = argparse.ArgumentParser(prog="python -m matcher.events.schema", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help=f"default: {FOLDER}")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is not in step")
    chosen = parser.parse_args(arguments)
    if not chosen.check:
        write_schemas(chosen.folder)
        return 0
    wrong = out_of_step(chosen.folder)
    for topic in wrong:
        sys.stderr.write(f"{chosen.folder / topic}.json is not in step: run `python -m matcher.events.schema`\n")
    return 1 if wrong else 0


def _flowing(docstring: str) -> str:
    """The paragraphs of a docstring, each in one line."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in docstring.split("\n\n"))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
