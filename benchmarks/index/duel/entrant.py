"""The other end of a seat: starts the process of an index, asks it, and ends it when it takes too long."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from benchmarks.index.duel.course import Course
from benchmarks.index.duel.seat import serve

_CLOSE_SECONDS: Final = 30.0


class Failed(RuntimeError):
    """An index did not do what it was asked to, or not in time; the message says what happened."""


class Entrant:
    """An index in a process of its own, which ends with this object."""

    def __init__(self, course: Course, name: str, folder: Path) -> None:
        """folder: for what it keeps on disk; emptied at the end."""
        self.name = name
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        context = multiprocessing.get_context("spawn")
        self._progress: Any = context.Value("q", 0)
        self._connection, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, course, name, folder, self._progress), daemon=True)
        self._process.start()
        other.close()

    def ask(self, method: str, *arguments: Any, seconds: float) -> Any:
        """The result of a method of `Seat`. Raises `Failed`; after the time was over the process is no more."""
        try:
            self._connection.send((method, arguments))
            if not self._connection.poll(seconds):
                self._process.kill()
                raise Failed(f"{method} took more than {seconds:,.0f} s")
            done, result = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(_CLOSE_SECONDS)
            raise Failed(f"the process ended with status {self._process.exitcode} in {method}") from error
        if not done:
            raise Failed(str(result))
        return result

    @property
    def taken(self) -> int:
        """How many offers it has asked for while it was filled."""
        return int(self._progress.value)

    def close(self) -> None:
        """End the process, at once if it does not end by itself."""
        self._connection.close()
        self._process.join(_CLOSE_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Entrant:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
