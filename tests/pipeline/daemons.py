"""`offermatch` processes under test: started as a user would, asked over HTTP, stopped, frozen and killed."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from broker.watchdog import Watchdog
from matcher.settings import Settings

#: Seconds after which what a test waits for counts as missing.
PATIENCE = 60.0
_SERVING = re.compile(r"readyz on (http://[\d.]+:\d+)")

Labels = frozenset[tuple[str, str]]


def wait_until(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Asks again and again; fails the test when `condition` does not hold in time."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:.0f} s in vain for {what}")
        time.sleep(0.02)


class Daemon:
    """One `offermatch encoder` or `offermatch matcher`, with its settings in the environment and its log in a file."""

    def __init__(self, command: str, settings: Settings, log: Path) -> None:
        self.command = command
        self._log = log
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("OFFERMATCH_", "KAFKA_"))}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "offermatch", command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=outside | environ_of(settings),
            )
        self._watchdog = Watchdog(self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def url(self) -> str:
        """Where it serves HTTP; waits until it does."""
        self.wait_for_log("readyz on http")
        found = _SERVING.search(self.log)
        assert found is not None
        return found.group(1)

    def wait_for_log(self, text: str) -> None:
        def written() -> bool:
            found = text in self.log
            if not found:
                self.check()
            return found

        wait_until(written, f"{text!r} in the log of the {self.command}")

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of an HTTP answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read()

    def metrics(self) -> dict[tuple[str, Labels], float]:
        """(name, labels) → value, of everything on /metrics."""
        status, body = self.get("/metrics")
        assert status == 200
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics().get((name, frozenset(labels.items())))

    def ready(self) -> "Daemon":
        """Itself, once /readyz says yes."""
        wait_until(lambda: self.get("/readyz")[0] == 200, f"the {self.command} to be ready")
        return self

    def check(self) -> None:
        """Fails the test when the process has ended."""
        status = self._process.poll()
        assert status is None, f"the {self.command} ended with status {status}:\n{self.tail()}"

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def wait(self, patience: float = PATIENCE) -> int:
        """The exit status. Fails the test when the process does not end in time."""
        try:
            return self._process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the {self.command} did not end in {patience:.0f} s:\n{self.tail()}") from None

    def stop(self, patience: float = PATIENCE) -> int:
        """SIGTERM; returns the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(patience)

    def end(self) -> None:
        """Whatever became of it, it is gone afterwards."""
        if self._process.poll() is None:
            self.kill()
        self._watchdog.dismiss()

    def tail(self) -> str:
        """The end of the log, without librdkafka's complaints about a broker that is gone."""
        return "\n".join([line for line in self.log.splitlines() if " FAIL [" not in line][-25:])


def environ_of(settings: Settings) -> dict[str, str]:
    """The settings as environment variables; what is empty is left to its default, which is empty too."""
    variables = {}
    for section in settings.__struct_fields__:
        values = getattr(settings, section)
        for field in values.__struct_fields__:
            value = getattr(values, field)
            if value not in (None, "", {}):
                text = msgspec.json.encode(value).decode() if isinstance(value, dict) else str(value)
                variables[f"OFFERMATCH_{section}_{field}".upper()] = text
    return variables
