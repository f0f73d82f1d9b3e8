"""Named places at which a process can be made to die or stand still: for the chaos suite, and off without it.

`OFFERMATCH_FAILPOINTS` names a folder. A process that reaches a point for which a file `PID.POINT` lies there takes the
file away and does what it says, once: `kill` (SIGKILL to itself) or `stop` (SIGSTOP, until somebody sends SIGCONT).
Without the variable, reaching a point costs one comparison.
"""

import os
import signal
from pathlib import Path
from typing import Literal

VARIABLE = "OFFERMATCH_FAILPOINTS"

#: A transaction's records are handed to Kafka, its offsets are not; nothing is committed.
OPEN = "transaction.open"
#: Everything is in Kafka's hands but the word to commit.
COMPLETE = "transaction.complete"
#: Kafka has committed; the process has not yet acted on it, its state is behind the log.
COMMITTED = "transaction.committed"
#: A predecessor's transactions were fenced and ended; nothing is followed yet.
FENCED = "transaction.fenced"
#: A stretch of the log was applied while following, and more may come.
FOLLOWING = "matcher.following"

POINTS = (OPEN, COMPLETE, COMMITTED, FENCED, FOLLOWING)
Action = Literal["kill", "stop"]
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}

_folder = Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def reach(point: str) -> None:
    """Tells that this process is at `point`; does not return where it is to die there."""
    if _folder is None:
        return
    order = _folder / f"{os.getpid()}.{point}"
    try:
        action = order.read_text()
        order.unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), _SIGNALS[action])


def arm(folder: Path, pid: int, point: str, action: Action) -> Path:
    """Has the process `pid` do `action` when it reaches `point` next; returns the file, which is gone once it has."""
    if point not in POINTS:
        raise ValueError(f"expected one of {', '.join(POINTS)}, got {point!r}")
    order = folder / f"{pid}.{point}"
    draft = order.with_suffix(".draft")
    draft.write_text(action)
    draft.rename(order)
    return order
