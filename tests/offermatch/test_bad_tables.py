"""Tables that `train` and `evaluate` cannot use: one line that says what was expected, from the command itself."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

import offermatch.cli
from tests.consumers.datasets_making import ROWS, write_pairs, write_table

Rows = Sequence[dict[str, str]]


@pytest.fixture(autouse=True)
def dummy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFERMATCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OFFERMATCH_ENCODER_MODEL", "dummy")


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit status and standard error of the program itself."""
    monkeypatch.setattr("sys.argv", ["offermatch", *arguments])
    with pytest.raises(SystemExit) as ended:
        offermatch.cli.main()
    return int(ended.value.code or 0), capsys.readouterr().err


def bare(rows: Rows = ROWS) -> list[dict[str, str]]:
    return [{"offer_id": row["offer_id"], "title": row["title"]} for row in rows]


BAD: dict[str, tuple[Rows, str]] = {
    "no product ids and no pairs": (bare(), "expected known products or labelled pairs"),
    "one product only": ([{**row, "product_id": "p"} for row in ROWS], "expected at least two products"),
    "every product once": ([{**r, "product_id": r["offer_id"]} for r in ROWS], "expected two offers of one product"),
    "all photos missing": ([{**row, "images": "no.jpg"} for row in ROWS], "none of the 3 that it lists can be had"),
    "an offer twice": ([*ROWS, ROWS[0]], "expected every offer_id once, got again 'a1' (lines 2 and 5)"),
    "no offers": ([{"offer_id": "", "title": "t"}], "expected offers, none of its 1 rows is one"),
}


@pytest.mark.parametrize("command", ["evaluate", "train"])
@pytest.mark.parametrize("case", BAD)
def test_a_table_that_cannot_be_used_is_one_line(case, command, tmp_path, monkeypatch, capsys) -> None:
    rows, expected = BAD[case]
    folder = write_table(tmp_path / "shop", rows)
    status, error = said(monkeypatch, capsys, command, str(folder), *options(command, tmp_path))
    last = error.strip().splitlines()[-1]
    assert status == 1
    assert last.startswith("offermatch: ")
    assert expected in last
    assert str(folder) in last
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_a_folder_that_is_none_is_one_line(command, tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "empty").mkdir()
    for path, expected in (
        ("nowhere", "no such file or folder"),
        ("empty", "expected a folder with one of offers.csv"),
    ):
        status, error = said(monkeypatch, capsys, command, str(tmp_path / path), *options(command, tmp_path))
        assert status == 1
        last = error.strip().splitlines()[-1]
        assert expected in last
        assert str(tmp_path / path) in last


def test_evaluation_needs_products_and_says_so_where_there_are_only_pairs(tmp_path, monkeypatch, capsys) -> None:
    folder = write_table(tmp_path / "shop", bare())
    write_pairs(folder, [("a1", "a2", "1"), ("a1", "b1", "0")])
    status, error = said(monkeypatch, capsys, "evaluate", str(folder), *options("evaluate", tmp_path))
    assert status == 1
    assert "expected known products to ask with" in error.strip().splitlines()[-1]


def test_a_table_too_small_to_learn_from_is_one_line(tmp_path, monkeypatch, capsys) -> None:
    folder = write_table(tmp_path / "shop")
    status, error = said(monkeypatch, capsys, "train", str(folder), *options("train", tmp_path))
    assert status == 1
    assert "expected" in error.strip().splitlines()[-1]
    assert not (tmp_path / "bundle").exists()


def test_prices_that_are_no_number_are_missing_and_lose_nothing(tmp_path) -> None:
    folder = write_table(tmp_path / "shop", [{**row, "price": "NaN"} for row in ROWS])
    done = CliRunner().invoke(offermatch.cli.app, ["evaluate", str(folder), *options("evaluate", tmp_path)])
    assert done.exit_code == 0, done.output
    assert "3 prices stand for no single amount" in done.stderr
    assert "3 queries, 2 with a match" in done.stdout


def options(command: str, folder: Path) -> list[str]:
    return ["--bundle", "untrained-dummy"] if command == "evaluate" else ["--out", str(folder / "bundle")]
