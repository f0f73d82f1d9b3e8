"""What `offermatch ablate` reads, asks and says."""

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from consumers.datasets import DatasetUnusable
from matcher.settings import Encoder, Settings
from matcher.training.labelled import Unlearnable
from offermatch import ablation
from offermatch.ablation import Asking, ablate_tables, modalities_of
from tests.consumers.datasets_making import write_table

SETTINGS = msgspec.structs.replace(Settings(), encoder=Encoder(model="dummy"))
RAW = Asking(pattern="raw vectors side by side|title alone", plain=False)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OFFERMATCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def shop(folder: Path, name: str = "Tee") -> Path:
    rows = [
        {
            "offer_id": f"o{row}",
            "product_id": f"p{row // 2}",
            "style_id": f"s{row // 4}",
            "seller_id": "xy"[row % 2],
            "brand": "Acme",
            "title": f"{name} {row // 2} {'ab'[row % 2]}",
        }
        for row in range(24)
    ]
    return write_table(folder, rows)


def ablated(folders: list[Path], unseen: list[Path], asking: Asking = RAW):
    out = io.StringIO()
    return ablate_tables(folders, unseen, asking, SETTINGS, Console(file=out, width=200)), out.getvalue()


@pytest.mark.slow
def test_every_folder_is_asked_by_halves_and_an_unseen_one_whole(tmp_path: Path, cache: Path) -> None:
    one, other = shop(tmp_path / "one"), shop(tmp_path / "other", "Hat")
    found, said = ablated([one], [other])
    assert [entry.name for entry in found.shops] == ["one", "one → other"]
    assert [entry.questions[0].lessons for entry in found.shops] == [2, 1]
    assert {line.name for line in found.shops[0].lines} >= {"raw vectors side by side", "title alone"}
    title, base = (next(line for line in found.shops[0].lines if end in line.name) for end in ("title", "base"))
    assert title.figures != base.figures
    assert any((cache / "ablations").iterdir())
    assert "texts: title" in said


def test_what_cannot_be_asked_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop")
    for asking, words in (
        (Asking(modalities="image,sound"), "expected modalities among image, text, numbers, got 'sound'"),
        (Asking(modalities="numbers"), "expected image or text"),
        (Asking(pattern="no such row"), "expected a pattern that some row has"),
    ):
        with pytest.raises(Unlearnable, match=words):
            ablated([folder], [], asking)
    with pytest.raises(DatasetUnusable, match="each folder once"):
        ablated([folder], [folder])
    assert modalities_of(" text,image") == ("image", "text")


def test_ctrl_c_says_where_finished_rows_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ablation, "ablate", stop)
    out = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        ablate_tables([shop(tmp_path / "shop")], [], RAW, SETTINGS, Console(file=out, width=300))
    assert f"finished rows are kept in {tmp_path}/cache/ablations" in out.getvalue()
