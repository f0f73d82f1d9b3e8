"""The demo's folder: emptied at every start, so it must be the demo's own and nobody else's at the moment."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARKER = ".offermatch-demo"


class FolderRefusedError(RuntimeError):
    """The folder holds something that no demo made, or another demo is using it."""


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """Makes or empties `folder`, and holds it as long as the context lasts. Raises `FolderRefusedError`, `OSError`."""
    marker = folder / MARKER
    if folder.exists() and any(folder.iterdir()) and not marker.is_file():
        raise FolderRefusedError(
            f"{folder} holds files that no demo made, and a demo empties its folder: give --folder a new one"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with marker.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderRefusedError(f"{folder} is in use by another demo: give --folder a new one") from None
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry != marker:
                entry.unlink()
        yield
