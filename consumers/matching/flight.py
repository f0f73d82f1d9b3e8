"""Batches of one partition between their decision and their being applied: one transaction under way, the rest behind.

What is decided while a transaction is under way goes out in the next one, all together: order stays total, and no
batch is published unless the one it was decided after has been. If that one fails, all that is behind it is dropped.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from msgspec import Struct

from matcher.deciding.batch import Step
from matcher.events.envelope import Record


class Batch(Struct, frozen=True):
    """Records in the order of their log, what was decided, and the offset from which to go on after them.

    Beside the steps of the records there may be others, of no record.
    """

    records: tuple[Record, ...] = ()
    steps: tuple[Step, ...] = ()
    end: int = 0


Result = TypeVar("Result")


class Flight(Generic[Result]):
    """All calls come from one thread; the work on transactions is done one after the other, by another or the same."""

    def __init__(self) -> None:
        self._ready = Batch()
        self._under_way = Batch()
        self._work: Future[Result] | None = None

    def __len__(self) -> int:
        """Steps that are decided and not applied yet."""
        return len(self._under_way.steps) + len(self._ready.steps)

    @property
    def ready(self) -> int:
        """Records that wait for the next transaction."""
        return len(self._ready.records)

    @property
    def of_no_record(self) -> bool:
        """Whether steps of no record wait for the next transaction."""
        return len(self._ready.steps) > len(self._ready.records)

    @property
    def end(self) -> int | None:
        """The offset from which to go on after all that is in flight; None if nothing is."""
        last = self._ready if self._ready.steps else self._under_way
        return last.end if last.steps else None

    @property
    def steps(self) -> Sequence[Step]:
        """All that is in flight, in order; some of it may be applied by now."""
        return self._under_way.steps + self._ready.steps

    def add(self, records: Sequence[Record], steps: Sequence[Step], end: int) -> None:
        """Takes what was decided on `records`, given that everything in flight happens."""
        self._ready = Batch((*self._ready.records, *records), (*self._ready.steps, *steps), end)

    def next(self) -> Batch | None:
        """What is to go out now; None while a transaction is under way, or if there is nothing."""
        return self._ready if self._work is None and self._ready.steps else None

    def send(self, work: Callable[[], Result], *, beside: bool) -> None:
        """Has `work`, which publishes and applies what `next` gave, done: at once, or `beside`, in a thread of its own.

        That pays where work waits for others; where it computes, two threads cost more than they save.
        """
        assert self._work is None
        answer: Future[Result] = Future()

        def run() -> None:
            try:
                answer.set_result(work())
            except BaseException as error:
                answer.set_exception(error)

        self._under_way, self._ready, self._work = self._ready, Batch(), answer
        if not beside:
            run()
            return
        # Not one that is waited for at exit: librdkafka can hang, and a second signal must end the process then.
        threading.Thread(target=run, name="commit", daemon=True).start()

    def landed(self, seconds: float | None) -> tuple[Batch, Result] | None:
        """What was published and applied since, if anything; waits for it up to `seconds` (None: until it ends).

        Raises what the work raised: what is ready was decided in vain then, and is to be dropped.
        """
        if self._work is None or not wait([self._work], seconds).done:
            return None
        batch, work = self._under_way, self._work
        self._under_way, self._work = Batch(), None
        return batch, work.result()

    def drop(self) -> None:
        """Forgets what waits for the next transaction."""
        self._ready = Batch()
