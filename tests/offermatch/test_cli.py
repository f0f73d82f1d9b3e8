"""The command line: every command explains itself, and an expected failure is one line and a status."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from offermatch.cli import app

COMMANDS = [
    ["demo"], ["broker"], ["encoder"], ["matcher"], ["replay"], ["simulate"], ["report"], ["topics", "create"],
    ["bundle", "untrained"], ["bundle", "show"], ["index", "verify"], ["bench", "encoder"], ["train"], ["evaluate"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def offermatch(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "offermatch", *arguments],
        env={"PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_setting_out_of_range_is_one_line_that_names_the_variable() -> None:
    done = offermatch("matcher", OFFERMATCH_MATCHER_BATCH_SIZE="0")
    assert done.returncode == 1
    assert done.stderr == "offermatch: OFFERMATCH_MATCHER_BATCH_SIZE: expected `int` >= 1, got 0\n"


def test_a_missing_table_is_one_line_that_names_it(tmp_path: Path) -> None:
    done = offermatch("replay", str(tmp_path / "none.csv"))
    assert done.returncode == 1
    assert "none.csv" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_bundle_that_was_edited_is_refused(tmp_path: Path) -> None:
    shown = offermatch("bundle", "show", "untrained")
    bundle = json.loads(shown.stdout)
    assert bundle["trained"] is False
    bundle["thresholds"]["accept"] = 0.5
    (tmp_path / "bundle.json").write_text(json.dumps(bundle))
    done = offermatch("bundle", "show", str(tmp_path))
    assert done.returncode == 1
    assert "expected fingerprint" in done.stderr


@pytest.mark.slow
def test_the_shipped_bundle_is_for_the_starter_encoder() -> None:
    bundle = json.loads(offermatch("bundle", "show", "untrained").stdout)
    assert bundle["encoder"]["model"] == "starter"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["broker", "--nodes", "2", "--data", "{tmp}/kafka"], "odd number of nodes"),
        (["broker", "--port", "99999"], "--port"),
        (["replay", "{tmp}", "--rate", "-1"], "--rate"),
        (["replay", "{tmp}"], "offers"),
        (["demo", "--folder", "{tmp}"], "no demo made"),
        (["demo", "--offers", "0"], "--offers"),
        (["report", "--truth", "{tmp}/none.csv"], "none.csv"),
        (["bundle", "show", "no-such-bundle"], "no-such-bundle"),
        (["index", "verify"], "left any state"),
        (["matcher", "--config", "{tmp}/none.toml"], "none.toml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_argument_is_an_answer_and_no_traceback(arguments: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "something.txt").write_text("in the way")
    done = offermatch(
        *(argument.format(tmp=tmp_path) for argument in arguments),
        OFFERMATCH_MATCHER_STATE_FOLDER=str(tmp_path / "none"),
    )
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_open_clip_model_without_weights_names_the_settings() -> None:
    done = offermatch("bundle", "untrained", "--out", "/nowhere", OFFERMATCH_ENCODER_MODEL="ViT-B-32")
    assert done.returncode == 1
    assert done.stderr.startswith("offermatch: OFFERMATCH_ENCODER_MODEL, _PRETRAINED and _SEED: expected `pretrained`")
