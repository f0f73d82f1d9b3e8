"""The lock that gives a state file to one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from index_store.errors import StateLocked


class FileLock:
    """Holds `<path>.lock` from construction to `release`. The system frees it when the process dies, however
    it dies; the file stays, since removing it would let two processes hold different files of one name."""

    def __init__(self, path: Path) -> None:
        """Raises `StateLocked` if anyone else, this process included, holds the lock on `path`."""
        file = path.with_name(path.name + ".lock")
        self._fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            # flock rather than a POSIX lock: that one would let the same process in twice.
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            content = os.read(self._fd, 32)
            os.close(self._fd)
            raise StateLocked(path, int(content) if content.strip().isdigit() else None) from held
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others in. Releasing twice is allowed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
