"""Which rows of a long array are taken, in stretches: first fit, and neighbours that come free grow together."""

from __future__ import annotations

import numpy as np


class Segments:
    """Free and taken stretches of rows; `end` is the row behind the last taken one."""

    def __init__(self) -> None:
        self.end = 0
        self._starts = np.zeros(0, np.int64)  # of what is free before `end`, ascending
        self._lengths = np.zeros(0, np.int64)

    def free_rows(self) -> int:
        """Rows before `end` that are not taken."""
        return int(self._lengths.sum())

    def take(self, rows: int) -> int:
        """The first row of a stretch of `rows` that is now taken."""
        fitting = self._lengths >= rows
        hole = int(fitting.argmax()) if len(fitting) else 0
        if not len(fitting) or not fitting[hole]:
            self.end += rows
            return self.end - rows
        start = int(self._starts[hole])
        if self._lengths[hole] == rows:
            self._starts, self._lengths = np.delete(self._starts, hole), np.delete(self._lengths, hole)
        else:
            self._starts[hole] += rows
            self._lengths[hole] -= rows
        return start

    def give(self, start: int, rows: int) -> None:
        """A stretch is free again."""
        at = int(np.searchsorted(self._starts, start))
        if at < len(self._starts) and start + rows == self._starts[at]:
            rows += int(self._lengths[at])
            self._starts, self._lengths = np.delete(self._starts, at), np.delete(self._lengths, at)
        if at > 0 and self._starts[at - 1] + self._lengths[at - 1] == start:
            start, rows = int(self._starts[at - 1]), rows + int(self._lengths[at - 1])
            at -= 1
            self._starts, self._lengths = np.delete(self._starts, at), np.delete(self._lengths, at)
        if start + rows == self.end:
            self.end = start
            return
        self._starts = np.insert(self._starts, at, start)
        self._lengths = np.insert(self._lengths, at, rows)
