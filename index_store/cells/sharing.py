"""Work in parts, on as many processors as are free.

OpenMP's threads wait for each other at the end of each region, also for one that another process keeps from its
processor; and while they wait they spin. Here a part that nobody has begun is taken back and done by who asked, so
a busy machine costs little more than one thread would. Threads are as many as OpenMP may use (`OMP_NUM_THREADS`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Final

import faiss

_PARTS: Final = 2  # for each thread: one that comes late then still finds some
# Counted once and early: FAISS's OpenBLAS, told to use one thread (see `blas`), says so to OpenMP as well.
_THREADS: Final = int(faiss.omp_get_max_threads())


def in_parts(work: Callable[[int, int], object], count: int, least: int) -> None:
    """Calls `work` with the begin and the end of stretches that make up 0 … count, each at least `least` long, at the
    same time where that is possible. Raises what one of them raised, when none is running any more."""
    parts = min(count // max(1, least), _PARTS * _threads())
    if parts < 2 or _threads() < 2:
        work(0, count)
        return
    ends = [count * part // parts for part in range(parts + 1)]
    futures = [_pool().submit(work, ends[part], ends[part + 1]) for part in range(1, parts)]
    try:
        work(0, ends[1])
        # From the end: the others begin at the front.
        for part in reversed(range(1, parts)):
            if futures[part - 1].cancel():
                work(ends[part], ends[part + 1])
    finally:
        _finish(futures)


@contextmanager
def beside(work: Callable[[], object], *, worth: bool = True) -> Iterator[None]:
    """The work goes on in another thread meanwhile, if that is worth it, and is done afterwards in any case. Raises
    what it raised."""
    if not worth or _threads() < 2:
        work()
        yield
        return
    future = _pool().submit(work)
    try:
        yield
    finally:
        if future.cancel():
            work()
        else:
            _finish([future])


def _finish(futures: list[Future[object]]) -> None:
    """Wait until none is running; raises what the first raised."""
    failed = None
    for future in futures:
        if not future.cancel() and (error := future.exception()) is not None:
            failed = failed or error
    if failed is not None:
        raise failed


def _threads() -> int:
    return _THREADS


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_threads() - 1, "index")
