"""Searches and deletions take turns: any number of searches at once, or one deletion.

Weaviate takes the objects that a search found from its store only after the search, and leaves out what was deleted in
between; the distances of those behind it move up by one (`Shard.ObjectVectorSearch`, see
docs/decisions/0031-deletions-between-searches.md). What is written beside a search does no harm.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """A deletion that waits is next, so that searches without end do not keep it out."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._searches = 0
        self._deletions = 0  # under way or waiting

    @contextmanager
    def searching(self) -> Iterator[None]:
        """Waits for deletions; none happens meanwhile. Not to be entered twice by one thread."""
        with self._changed:
            self._changed.wait_for(lambda: not self._deletions)
            self._searches += 1
        try:
            yield
        finally:
            with self._changed:
                self._searches -= 1
                self._changed.notify_all()

    @contextmanager
    def deleting(self) -> Iterator[None]:
        """Waits for the searches under way; none happens meanwhile. One thread at a time may delete."""
        with self._changed:
            self._deletions += 1
            self._changed.wait_for(lambda: not self._searches)
        try:
            yield
        finally:
            with self._changed:
                self._deletions -= 1
                self._changed.notify_all()
