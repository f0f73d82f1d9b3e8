"""One `offermatch` process of the run: started, killed, frozen, asked, started again; each life has a log."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from broker.watchdog import Watchdog
from producers import failpoints

_SERVING = re.compile(r"readyz on (http://[\d.]+:\d+)")
POLL = 0.02
STOP_PATIENCE = 60.0


def wait_for(condition: Callable[[], bool], patience: float) -> bool:
    """Asks again and again; whether it held within `patience` seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


class Member:
    """An encoder or matcher with a place of its own: `name`, settings in `environ`, and a state folder, if it has one.

    `exits`: how it ended when nobody killed or stopped it: (log file, exit status).
    """

    def __init__(
        self, name: str, command: str, environ: Mapping[str, str], folder: Path, state: Path | None = None
    ) -> None:
        self.name = name
        self.command = command
        self._environ = dict(environ)
        self._folder = folder
        self.state = state
        self._orders = folder / "failpoints"
        self._orders.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: Watchdog | None = None
        self._log = folder / f"{name}.log"
        self._url: str | None = None
        self._frozen = False
        self.lives = 0
        self.exits: list[tuple[str, int]] = []

    def start(self) -> "Member":
        """Starts it, unless it lives."""
        if self.running:
            return self
        self._forget()
        self._log = self._folder / f"{self.name}-{self.lives:03}.log"
        self.lives += 1
        self._url = None
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("OFFERMATCH_", "KAFKA_"))}
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "offermatch", self.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=outside | self._environ | {failpoints.VARIABLE: str(self._orders)},
                start_new_session=True,
            )
        self._watchdog = Watchdog(self._process.pid)
        return self

    @property
    def running(self) -> bool:
        """Whether it lives, frozen or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def at_work(self) -> bool:
        return self.running and not self._frozen

    @property
    def log(self) -> Path:
        """Of this life."""
        return self._log

    def ready(self) -> bool:
        return self.at_work and self._get("/readyz") is not None

    def owns(self, topic: str) -> bool:
        """Whether it says that it reads a partition of `topic` for its group."""
        if not self.at_work:
            return False
        text = self._get("/metrics") or ""
        wanted = f'topic="{topic}"'
        return any(line.startswith("offermatch_consumer_lag_records{") and wanted in line for line in text.splitlines())

    def kill(self) -> float:
        """SIGKILL; returns when (Unix seconds)."""
        assert self._process is not None
        moment = time.time()
        self._process.kill()
        self._process.wait()
        self._forget()
        return moment

    def freeze(self) -> float:
        """SIGSTOP; returns when (Unix seconds)."""
        self._signal(signal.SIGSTOP)
        self._frozen = True
        return time.time()

    def wake(self) -> None:
        self._frozen = False
        if self.running:
            self._signal(signal.SIGCONT)

    def arm(self, point: str, action: failpoints.Action, patience: float) -> float | None:
        """Has it die or stand still at a failpoint; returns when it has (Unix seconds), None if it has not in time."""
        assert self._process is not None
        order = failpoints.arm(self._orders, self._process.pid, point, action)
        if not self.await_order(order, patience):
            return None
        return self.obeyed(action)

    def place_order(self, point: str, action: failpoints.Action) -> Path:
        """Arms a failpoint and does not wait."""
        assert self._process is not None
        return failpoints.arm(self._orders, self._process.pid, point, action)

    def await_order(self, order: Path, patience: float) -> bool:
        """Whether the failpoint was reached in time; if not, it is taken back."""
        if wait_for(lambda: not order.exists() or not self.running, patience) and not order.exists():
            return True
        order.unlink(missing_ok=True)
        return False

    def obeyed(self, action: failpoints.Action) -> float:
        """It has reached its failpoint: takes note of what that means; returns when (Unix seconds)."""
        assert self._process is not None
        moment = time.time()
        if action == "kill":
            self._process.wait(STOP_PATIENCE)
            self._forget()
        else:
            self._frozen = True
        return moment

    def stop(self) -> int:
        """SIGTERM; returns the exit status. Kills what does not end in time."""
        assert self._process is not None
        self.wake()
        self._signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._forget()
        return status

    def revive(self) -> bool:
        """What a supervisor does: starts it again if it has ended by itself, which is noted; whether it had."""
        if self._process is None or self._process.poll() is None:
            return False
        self.exits.append((self._log.name, self._process.returncode))
        self.start()
        return True

    def lose_state(self) -> None:
        assert not self.running
        if self.state is not None and self.state.exists():
            shutil.rmtree(self.state)

    def end(self) -> None:
        """Whatever became of it, it is gone afterwards."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _get(self, path: str) -> str | None:
        """The body of an answer that says yes."""
        if self._url is None:
            found = _SERVING.search(self._log.read_text(errors="replace"))
            if found is None:
                return None
            self._url = found.group(1)
        try:
            with urllib.request.urlopen(self._url + path, timeout=2) as answer:
                body: bytes = answer.read()
                return body.decode()
        except (urllib.error.URLError, OSError):
            return None

    def _forget(self) -> None:
        if self._watchdog is not None:
            self._watchdog.dismiss()
        self._process = self._watchdog = None
        self._frozen = False
