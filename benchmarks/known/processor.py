"""Processor time of other processes: what a machine that others use too does not blur."""

import os
from collections.abc import Iterable
from pathlib import Path


def processor_seconds(pids: Iterable[int]) -> float:
    """Seconds of processor time that these processes have used, user and system; nan where /proc does not tell."""
    return sum(map(_seconds, pids))


def _seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return float("nan")
    # proc(5): utime and stime are the 14th and 15th; the second, in brackets, is cut off here.
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
