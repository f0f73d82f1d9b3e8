"""What a run ends with: its last line, and the files beside it."""

import statistics
from collections.abc import Mapping, Sequence

from msgspec import Struct

from chaos.audit import Audit


class Result(Struct, frozen=True, kw_only=True):
    """The last line of `make chaos`. Times are in seconds; `takeover_*` are None where no standby took over.

    `kills`: processes and brokers ended by SIGKILL. `offers`: versions on the topic `offers`. `lost`, `repeated` and
    `breaches` (by kind) are the auditor's. `exits`: processes that ended by themselves and were started again: (log,
    status). `error`: why the run ended early, empty if it did not.
    """

    ok: bool
    kills: int
    offers: int
    lost: int
    repeated: int
    takeover_p50: float | None
    takeover_max: float | None
    takeovers: int
    frozen_takeover_max: float | None
    session_timeout: float
    seed: int
    nodes: int
    faults: int
    faults_planned: int
    killed: Mapping[str, int]
    struck: Mapping[str, int]
    missed: Mapping[str, int]
    decided: int
    gone: int
    dead_letters: int
    superseded: int
    again: int
    compared_with_calm: bool
    breaches: Mapping[str, int]
    exits: Sequence[tuple[str, int]]
    seconds: float
    folder: str
    error: str = ""


def seconds_of(takeovers: Sequence[float]) -> tuple[float | None, float | None]:
    """Median and longest, to the millisecond."""
    if not takeovers:
        return None, None
    return round(statistics.median(takeovers), 3), round(max(takeovers), 3)


def nothing_audited() -> Audit:
    """Stands where no audit could be held."""
    return Audit(
        versions=0, decided=0, gone=0, dead_letters=0, superseded=0, again=0, lost=0, repeated=0,
        compared_with_calm=False,
    )  # fmt: skip
