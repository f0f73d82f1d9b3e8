"""The demo, run as a user runs it, with the encoder that costs nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

OFFERS = 80


def run_demo(kafka: str, folder: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "offermatch", "demo", "--json", "--offers", str(OFFERS), "--folder", str(folder)]
    return subprocess.run(
        command,
        env={**os.environ, "KAFKA_BOOTSTRAP": kafka, "OFFERMATCH_ENCODER_MODEL": "dummy", **environ},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.mark.kafka
def test_the_demo_decides_every_offer_and_ends_with_its_figures(kafka: str, tmp_path: Path) -> None:
    done = run_demo(kafka, tmp_path / "demo", OFFERMATCH_MATCHER_BUNDLE="untrained-dummy")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["offers"] == figures["decided"] == OFFERS
    assert figures["matched"] + figures["needs_review"] + figures["new_products"] == OFFERS
    assert figures["dead_letters"] == 0
    assert figures["live_offers"] == OFFERS
    assert 0 < figures["latency_p50"] <= figures["latency_p99"]
    assert {"precision", "recall", "recall_with_review"} <= figures.keys()


@pytest.mark.kafka
def test_a_demo_whose_offers_end_as_dead_letters_fails(kafka: str, tmp_path: Path) -> None:
    done = run_demo(kafka, tmp_path / "demo", OFFERMATCH_MATCHER_BUNDLE="untrained")
    assert done.returncode == 1
    assert f"0 of {OFFERS} offers were decided, {OFFERS} ended as dead letters" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["dead_letters_by_reason"][0]["reason"] == "foreign_encoder"


@pytest.mark.kafka
def test_a_demo_whose_encoder_cannot_start_says_why(kafka: str, tmp_path: Path) -> None:
    done = run_demo(kafka, tmp_path / "demo", OFFERMATCH_ENCODER_MODEL="no-such-model")
    assert done.returncode == 1
    assert "encoder ended with status 1" in done.stderr
    assert "no-such-model" in done.stderr
