"""The fuzzer finds a fault that is planted, keeps the input that shows it, and says how to try it again."""

from pathlib import Path

import pytest

from fuzz import run
from fuzz.targets import TARGETS

pytest.importorskip("atheris", reason="atheris is not installed: pip install -e '.[fuzz]'")
pytestmark = pytest.mark.slow
MATCHES = TARGETS["matches"]


def test_a_reader_that_raises_something_undocumented_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "CHILD", "tests.fuzz.broken_child")
    assert run.main(["--only", "matches", "--seconds", "60", "--folder", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    (finding,) = (tmp_path / "findings" / "matches").iterdir()
    assert "DecodeError: " in said
    assert f"--only matches --replay {finding}" in said
    assert run.replay(MATCHES, finding).failed
    monkeypatch.undo()
    assert not run.replay(MATCHES, finding).failed


def test_a_reader_that_keeps_its_contract_is_tried_until_the_time_is_up(tmp_path: Path) -> None:
    outcome = run.fuzz(MATCHES, 1, tmp_path)
    assert not outcome.failed
    assert outcome.finding is None
    assert outcome.runs > len(MATCHES.seeds())
    assert outcome.features > 0
