"""A demo empties its folder, and nobody else's."""

from pathlib import Path

import pytest

from demo.folder import FolderRefusedError, own_folder


def test_a_folder_with_other_peoples_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FolderRefusedError, match="no demo made"), own_folder(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_second_run_starts_empty(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "demo"
    with own_folder(folder):
        (folder / "state").mkdir()
        (folder / "state" / "file").write_text("old")
        (folder / "truth.csv").write_text("old")
    with own_folder(folder):
        assert [entry.name for entry in folder.iterdir()] == [".offermatch-demo"]


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with own_folder(tmp_path):
        (tmp_path / "state").write_text("of the first")
        with pytest.raises(FolderRefusedError, match="another demo"), own_folder(tmp_path):
            pass
        assert (tmp_path / "state").read_text() == "of the first"
