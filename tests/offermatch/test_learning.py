"""What the commands that learn show of their tables."""

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from consumers.datasets import DatasetUnusable, Needs
from matcher.settings import Encoder, Settings
from matcher.training.labelled import Unlearnable
from matcher.training.recipe import Recipe
from offermatch import learning
from offermatch.cli import app
from offermatch.learning import cache_folder, datasets_for
from tests.consumers.datasets_making import ROWS, write_pairs, write_table

SETTINGS = msgspec.structs.replace(Settings(), encoder=Encoder(model="dummy"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OFFERMATCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def shown(folder: Path, needs: Needs | None = None) -> str:
    out = io.StringIO()
    datasets_for([folder], SETTINGS, Console(file=out, width=200), needs)
    return out.getvalue()


def test_what_was_encoded_and_what_came_from_the_cache_is_said(tmp_path: Path, cache: Path) -> None:
    folder = write_table(tmp_path / "shop")
    assert "3 offers of 2 products; texts: 3 encoded, 0 from the cache" in shown(folder)
    assert "3 offers of 2 products; texts: 0 encoded, 3 from the cache" in shown(folder)
    assert (cache / "features").is_dir()


def test_everything_that_was_not_as_it_should_be_has_a_line(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "price": "NaN"}, {**ROWS[1], "currency": "XXX"}, ROWS[2], {"offer_id": ""}]
    rows.append({"offer_id": "e", "images": "none.png"})
    folder = write_table(tmp_path / "shop", [{"images": "", **row} for row in rows])
    write_pairs(folder, [("a1", "a2", "1"), ("a1", "u", "1"), ("a1", "b1", "9")])
    text = shown(folder, Needs(images="none"))
    for line in (
        "1 rows are no offers (line 5: no offer_id)",
        "1 prices stand for no single amount",
        "1 prices are in no currency with a known rate",
        "1 offers have neither text nor photo",
        "1 pairs of pairs_train name offers that the table has not",
        "1 rows of pairs_train are no pair",
        "pairs_train: 1 pairs, 1 of one product",
    ):
        assert line in text
    with pytest.raises(DatasetUnusable, match="none of the 1 that it lists can be had"):
        shown(folder)


def test_ctrl_c_says_where_the_work_is_kept(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_datasets(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(learning, "load_datasets", load_datasets)
    out = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        datasets_for([tmp_path], SETTINGS, Console(file=out, width=300))
    assert f"what was encoded is kept in {cache}/features" in out.getvalue()


def test_the_cache_is_in_the_home_folder_unless_it_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OFFERMATCH_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "offermatch" / "features"


@pytest.mark.parametrize(("arguments", "expected"), [([], False), (["--brand-blocks"], True)])
def test_a_bundle_gets_brand_blocks_where_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: bool
) -> None:
    asked: list[Recipe] = []

    def train_bundle(folders: object, out: object, recipe: Recipe, *_: object, **__: object) -> None:
        asked.append(recipe)
        raise Unlearnable("no more of it")

    monkeypatch.setattr(learning, "train_bundle", train_bundle)
    CliRunner().invoke(app, ["train", str(tmp_path), "--out", str(tmp_path / "bundle"), *arguments])
    assert [recipe.search.brand_blocks for recipe in asked] == [expected]


def test_evaluation_tells_what_blocks_would_lose_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFERMATCH_ENCODER_MODEL", "dummy")
    folder = write_table(tmp_path / "shop", [{**ROWS[0], "brand": "Nike"}, {**ROWS[1], "brand": "Puma"}, ROWS[2]])
    command = ["evaluate", str(folder), "--bundle", "untrained-dummy", "--json"]
    plain, told = (CliRunner().invoke(app, [*command, *more]) for more in ([], ["--blocks"]))
    figures = [msgspec.json.decode(done.stdout.splitlines()[-1]) for done in (plain, told)]
    assert [one["recall_lost_to_blocking"] for one in figures] == [None, 1.0]
    assert figures[0]["aucpr"] == figures[1]["aucpr"]
    assert "blocks would lose" in told.stdout
