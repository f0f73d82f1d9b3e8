"""Signals: the first asks to drain, the second ends the process at once, even while a library holds the thread."""

import signal
import subprocess
import sys

import pytest

from consumers.stopping import FORCED, Stopping

WAITING_IN_PYTHON = "while not stopping: time.sleep(0.01)"
#: A call into C that takes minutes and lets other threads run, but no signal handler of Python's.
WAITING_IN_C = """
import hashlib, threading
def hang():
    hashlib.pbkdf2_hmac("sha256", b"", b"", 1_000_000_000)
def announce(main):
    while sys._current_frames()[main].f_code.co_name != "hang":
        time.sleep(0.01)
    time.sleep(0.1)
    print("hanging", flush=True)
threading.Thread(target=announce, args=[threading.get_ident()], daemon=True).start()
hang()
"""


def a_process(then: str) -> subprocess.Popen[str]:
    code = f"""
import sys, time
from consumers.stopping import Stopping
stopping = Stopping()
stopping.install()
print("ready", flush=True)
{then}
print("asked", bool(stopping), flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_it_begins_unasked_and_can_be_asked_without_a_signal():
    stopping = Stopping()
    assert not stopping
    stopping.ask()
    assert stopping


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_and_the_second_ends(first: signal.Signals, second: signal.Signals):
    process = a_process(WAITING_IN_PYTHON)
    try:
        process.send_signal(first)
        assert process.stdout.readline() == "asked True\n"
        assert process.poll() is None
        process.send_signal(second)
        assert process.wait(10) == FORCED
    finally:
        process.kill()


def test_a_second_signal_ends_a_process_that_is_not_running_python():
    process = a_process(WAITING_IN_C)
    try:
        assert process.stdout.readline() == "hanging\n"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == FORCED
    finally:
        process.kill()


def test_other_signals_mean_nothing_to_it():
    process = a_process(WAITING_IN_PYTHON)
    try:
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "asked True\n"
    finally:
        process.kill()
