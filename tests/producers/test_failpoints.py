"""A process dies or stands still exactly at the point that it was told, once, and only where that is switched on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from producers.failpoints import COMMITTED, OPEN, VARIABLE, arm

WALK = f"""
import sys
from producers.failpoints import reach
print("ready", flush=True)
for line in sys.stdin:
    reach({OPEN!r})
    reach({COMMITTED!r})
    print("passed", flush=True)
"""


class Walker:
    """A process that passes both points whenever it is told to go on."""

    def __init__(self, folder: Path | None) -> None:
        environ = {name: value for name, value in os.environ.items() if name != VARIABLE}
        if folder is not None:
            environ[VARIABLE] = str(folder)
        self.process = subprocess.Popen(
            [sys.executable, "-c", WALK], env=environ, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self._says = self.process.stdout
        assert self._says.readline() == "ready\n"

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def passed(self) -> bool:
        return self._says.readline() == "passed\n"


@pytest.fixture
def start():
    made: list[Walker] = []

    def begin(folder: Path | None) -> Walker:
        made.append(Walker(folder))
        return made[-1]

    yield begin
    for walker in made:
        walker.process.kill()
        walker.process.communicate()


def test_it_dies_at_the_point_and_nowhere_else(start, tmp_path: Path):
    walker = start(tmp_path)
    walker.go()
    assert walker.passed()
    order = arm(tmp_path, walker.process.pid, COMMITTED, "kill")
    walker.go()
    assert walker.process.wait(30) == -signal.SIGKILL
    assert not order.exists()


def test_it_stands_still_until_it_is_woken_and_only_once(start, tmp_path: Path):
    walker = start(tmp_path)
    order = arm(tmp_path, walker.process.pid, OPEN, "stop")
    walker.go()
    _, status = os.waitpid(walker.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert not order.exists()
    walker.process.send_signal(signal.SIGCONT)
    assert walker.passed()
    walker.go()
    assert walker.passed()


def test_orders_are_for_one_process(start, tmp_path: Path):
    walker = start(tmp_path)
    order = arm(tmp_path, walker.process.pid + 1, OPEN, "kill")
    walker.go()
    assert walker.passed()
    assert order.exists()


def test_without_the_variable_nothing_is_looked_for(start, tmp_path: Path):
    walker = start(None)
    order = arm(tmp_path, walker.process.pid, OPEN, "kill")
    walker.go()
    assert walker.passed()
    assert order.exists()


def test_a_point_that_does_not_exist_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"expected one of .*transaction\.open.*, got 'nowhere'"):
        arm(tmp_path, 1, "nowhere", "kill")
