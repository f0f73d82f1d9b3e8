"""Where the files of an index lie: one folder for each time that it was filled, of which one is whole."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from index_store.cells.entries import EntryFiles


class Folders:
    """The folders `cells-<number>` below one folder, which belongs to one store. Without one, a temporary folder."""

    def __init__(self, folder: Path | None, dim: int) -> None:
        """Raises `OSError`."""
        self._dim = dim
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="offermatch-index-")
        self._folder = folder or Path(self._temporary.name if self._temporary else "")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._live: EntryFiles | None = None
        self._last: EntryFiles | None = None

    def remembered(self) -> EntryFiles | None:
        """What the last run left; files that are of no use are deleted."""
        for number in sorted(self._numbers(), reverse=True):
            files = EntryFiles(self._path(number), self._dim)
            if files.read_head() is not None:
                self._last = files
                return files
            files.close()
            shutil.rmtree(files.folder)
        return None

    def new(self) -> EntryFiles:
        """Files beside those there are."""
        return EntryFiles(self._path(max(self._numbers(), default=0) + 1), self._dim)

    def keep(self, files: EntryFiles | None) -> None:
        """These are whole and stand for the index from now on (None: none do); all others are deleted."""
        if files is not None:
            files.complete()
        if self._last is not None and self._last is not files:
            self._last.close()
        self._last = None
        for number in self._numbers():
            if files is None or self._path(number) != files.folder:
                shutil.rmtree(self._path(number))

    def close(self) -> None:
        """Leave the files as they are; a temporary folder goes."""
        if self._last is not None:
            self._last.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _numbers(self) -> list[int]:
        names = [path.name.removeprefix("cells-") for path in self._folder.glob("cells-*")]
        return [int(name) for name in names if name.isdigit()]

    def _path(self, number: int) -> Path:
        return self._folder / f"cells-{number}"
