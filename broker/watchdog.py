"""Sees to it that no broker outlives the process that started it, even one that was killed with SIGKILL.

A shell that does nothing but read from a pipe: this process holds the other end, which the kernel closes however the
process ends. The shell then asks the broker to stop, and kills it if it is still there after ten seconds. (Linux could
have the kernel signal the child, PR_SET_PDEATHSIG, but that fires when the starting *thread* ends.)
"""

import subprocess

_SCRIPT = """
read -r _
kill -TERM "$1" && kill -CONT "$1"
tries=0
while kill -0 "$1" && [ "$tries" -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
kill -KILL "$1"
"""


class Watchdog:
    """Watches over the process `pid` on behalf of the current one, until `dismiss`."""

    def __init__(self, pid: int) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "kafka-watchdog", str(pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Out of reach of the terminal's Ctrl-C, which must reach this process only.
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """End the watch; the process watched over is left alone."""
        self._shell.kill()
        self._shell.wait()
        if self._shell.stdin is not None:
            self._shell.stdin.close()
