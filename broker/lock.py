"""One process at a time in a folder: an advisory file lock that dies with whoever holds it, however they die."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

_POLL_SECONDS = 0.05


class FolderInUse(RuntimeError):
    """Another process holds the folder."""


class FolderLock:
    """An exclusive flock(2) on the file `.lock` of a folder.

    The kernel drops it when the last copy of the descriptor is closed, so a child that inherits `fd` keeps the
    folder locked for as long as it lives, even if this process is killed.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / ".lock"
        self._fd: int | None = None

    @property
    def fd(self) -> int:
        """The locked file's descriptor, to be inherited by children."""
        if self._fd is None:
            raise RuntimeError(f"{self._path} is not locked by this object")
        return self._fd

    def acquire(self, timeout: float, orphan_timeout: float | None = None) -> None:
        """Take the lock, waiting up to `timeout` seconds while a live process owns it.

        `orphan_timeout`: seconds to wait instead where the owner is gone and only its children are left, which
        are then about to end. Raises FolderInUse.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        start = time.monotonic()
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                owner = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
                orphaned = orphan_timeout is not None and not _alive(owner)
                allowed = orphan_timeout if orphaned and orphan_timeout is not None else timeout
                if time.monotonic() - start >= allowed:
                    os.close(fd)
                    who = f"by the children of process {owner}, which has died" if orphaned else f"by process {owner}"
                    raise FolderInUse(f"{self._path.parent} is in use {who}") from None
                time.sleep(_POLL_SECONDS)
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Give the folder back; does nothing if it is not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> "FolderLock":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.release()


def _alive(pid: str) -> bool:
    if not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
