"""Opening states beside the loop: loading an index can take longer than a group waits for a silent process."""

import logging
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future

from matcher.memory import Memory

log = logging.getLogger(__name__)

Job = Callable[[], None]


def in_a_thread(job: Job) -> None:
    # Not one that is waited for at exit: a process that is told to stop need not load to the end first.
    threading.Thread(target=job, name="open state", daemon=True).start()


class Opener:
    """Opens memories one at a time, in the order in which they were asked for; it never waits.

    All calls come from one thread. A partition is opened once, however often it is asked for, since its state file
    belongs to one memory.
    """

    def __init__(self, open_memory: Callable[[int], Memory], run: Callable[[Job], None] = in_a_thread) -> None:
        """`open_memory` is called where `run` runs its jobs."""
        self._open_memory = open_memory
        self._run = run
        self._asked: dict[int, Future[Memory]] = {}
        self._running: Future[Memory] | None = None

    @property
    def numbers(self) -> Collection[int]:
        """The partitions that were asked for and not yet taken."""
        return self._asked.keys()

    def take(self, partition: int) -> Memory | None:
        """The memory, if it is open by now; else it will be, and is to be asked for again. Raises what opening raised.

        From then on it belongs to the caller.
        """
        opening = self._asked.setdefault(partition, Future())
        self._start_next()
        if not opening.done():
            return None
        del self._asked[partition]
        return opening.result()

    def leave(self, partition: int) -> None:
        """It is wanted no more. What has begun cannot be stopped: it stays among `numbers` until it is taken."""
        opening = self._asked.get(partition)
        if opening is not None and opening is not self._running and not opening.done():
            del self._asked[partition]

    def close(self) -> None:
        """Frees what was opened. What is being opened is freed when it is open."""
        for opening in self._asked.values():
            if opening.done() or opening is self._running:
                opening.add_done_callback(_free)
        self._asked.clear()

    def _start_next(self) -> None:
        if self._running is not None and not self._running.done():
            return
        for partition, opening in self._asked.items():
            if not opening.done():
                self._running = opening
                self._run(self._job(partition, opening))
                return

    def _job(self, partition: int, opening: "Future[Memory]") -> Job:
        def run() -> None:
            try:
                opening.set_result(self._open_memory(partition))
            except BaseException as error:
                opening.set_exception(error)

        log.info("partition %d: opening its state", partition)
        return run


def _free(opening: "Future[Memory]") -> None:
    if opening.exception() is None:
        opening.result().close()
