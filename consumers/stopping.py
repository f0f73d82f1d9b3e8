"""Stopping a process: the first SIGTERM or SIGINT asks it to drain, the second ends it at once."""

import os
import signal
from types import FrameType

FORCED = 130


class Stopping:
    """True once a stop was asked for. `install()` needs the main thread."""

    def __init__(self) -> None:
        self._asked = False

    def install(self) -> None:
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def ask(self) -> None:
        self._asked = True

    def __bool__(self) -> bool:
        return self._asked

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        if self._asked:
            os._exit(FORCED)  # the drain may be what hangs: nothing of ours is asked any more
        self._asked = True
