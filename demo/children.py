"""Processes that the demo starts: each logs to a file of its own and ends with the demo, however that ends."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from broker.watchdog import Watchdog

TAIL_LINES = 15


class ChildFailedError(RuntimeError):
    """A process ended by itself or did not become ready; the message ends with the last lines of its log."""


class Child:
    """One `offermatch` process, or another module of ours. `environ` is added to this process's own."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        log: Path,
        *,
        module: str = "offermatch",
    ) -> None:
        self.name = name
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **environ},
                start_new_session=True,
            )
        self._watchdog = Watchdog(self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raises `ChildFailedError` when the process is gone."""
        if self._process.poll() is not None:
            raise ChildFailedError(f"{self.name} ended with status {self._process.returncode}:\n{self.tail()}")

    def wait_ready(self, url: str, timeout: float) -> None:
        """Returns when `url` (its /readyz) answers 200; raises `ChildFailedError` after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not _answers(url):
            self.check()
            if time.monotonic() > deadline:
                raise ChildFailedError(f"{self.name} is not ready after {timeout:.0f} s:\n{self.tail()}")
            time.sleep(0.1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(timeout=30)

    def stop(self, timeout: float) -> None:
        """Asks it to drain and stop, and kills it when it has not after `timeout` seconds."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._watchdog.dismiss()

    def tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join(f"    {line}" for line in lines)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
