"""`offermatch simulate --out`: a simulated market as an offer table, without any Kafka."""

import json
from pathlib import Path

from typer.testing import CliRunner

from offermatch.cli import app


def test_it_writes_a_table_and_says_what_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "market"
    command = ["simulate", "--out", str(folder), "--offers", "4", "--per-style", "1", "--json"]
    done = CliRunner().invoke(app, command, env={"KAFKA_BOOTSTRAP": "127.0.0.1:1"})
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout.splitlines()[-1])
    assert said == {"offers": 4, "photos": len(list(folder.rglob("*.jpg"))), "table": str(folder)}
    rows = [json.loads(line) for line in (folder / "offers.jsonl").read_text().splitlines()]
    assert len({row["style_id"] for row in rows}) == len(rows) == 4


def test_offers_of_a_style_are_limited_in_tables_only() -> None:
    done = CliRunner().invoke(app, ["simulate", "--per-style", "2"])
    assert done.exit_code == 2
    assert "--out" in done.output
