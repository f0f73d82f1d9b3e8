"""Stopping a process: the first SIGTERM or SIGINT asks it to drain, the second ends it at once.

Python runs signal handlers between two of its own instructions, so never while a library waits for a broker. Here they
do nothing: Python also writes each signal's number into a socket the moment it comes, and a thread listens there.
"""

import os
import signal
import socket
import threading

FORCED = 130


class Stopping:
    """True once a stop was asked for. `install()` needs the main thread."""

    def __init__(self) -> None:
        self._asked = False
        self._written: socket.socket | None = None  # kept open: Python knows only its number

    def install(self) -> None:
        listening, self._written = socket.socketpair()
        self._written.setblocking(False)
        signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: None)
        threading.Thread(target=self._listen, args=(listening,), name="signals", daemon=True).start()

    def ask(self) -> None:
        self._asked = True

    def __bool__(self) -> bool:
        return self._asked

    def _listen(self, listening: socket.socket) -> None:
        while received := listening.recv(64):
            for number in received:
                if number in (signal.SIGTERM, signal.SIGINT):
                    if self._asked:
                        os._exit(FORCED)  # the drain may be what hangs: nothing of ours is asked any more
                    self._asked = True
