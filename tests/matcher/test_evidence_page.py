"""docs/events.md names every piece of evidence, in the words that reviewers read."""

import re
from pathlib import Path

from matcher.verifier.evidence import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "events.md"


def test_the_table_of_evidence_is_that_of_the_verifier() -> None:
    table = PAGE.read_text(encoding="utf-8").split("| name | what it says | larger |\n|---|---|---|\n")[1]
    written = re.findall(r"^\| `(\w+)` \| (.+) \| (\w+) \|$", table, re.MULTILINE)
    assert written == [(kind.name, kind.label, kind.more_favours) for kind in KINDS]
