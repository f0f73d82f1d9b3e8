"""The schedule: which faults strike, how hard and after how many offers. A pure function of its arguments."""

import random
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from msgspec import Struct

from producers import failpoints

Kind = Literal[
    "kill_encoder",  # SIGKILL, at a random instant
    "kill_matcher",  # SIGKILL of the active one
    "kill_standby",
    "lose_state",  # the active matcher is killed and its folder deleted
    "die_encoder",  # SIGKILL at a failpoint
    "die_matcher",
    "die_successor",  # the active one is killed, and the one that takes over dies while it does
    "kill_broker",  # one of three: SIGKILL; a lone one is stopped and started
    "restart_broker",
    "freeze_broker",  # SIGSTOP for longer than a transaction may take
    "freeze_encoder",  # SIGSTOP for longer than the session time-out
    "freeze_matcher",
    "freeze_encoder_in_transaction",  # at a failpoint
    "freeze_matcher_in_transaction",
    "slow_photos",
    "failing_photos",
    "leave_matcher",  # the active one is asked to stop
    "join_encoder",  # a second one, which leaves again
]

KINDS: tuple[Kind, ...] = get_args(Kind)
#: How many processes or brokers each kind kills.
KILLS: Mapping[Kind, int] = {
    "kill_encoder": 1,
    "kill_matcher": 1,
    "kill_standby": 1,
    "lose_state": 1,
    "die_encoder": 1,
    "die_matcher": 1,
    "die_successor": 2,
    "kill_broker": 1,
}
#: How often each comes in one round; the others once.
WEIGHTS: Mapping[Kind, int] = {
    "kill_matcher": 4,
    "kill_encoder": 3,
    "die_matcher": 4,
    "die_encoder": 2,
    "kill_broker": 3,
}
_WEIGHTED = [kind for kind in KINDS for _ in range(WEIGHTS.get(kind, 1))]
NOT_ALONE = ("kill_broker", "freeze_broker")
IN_TRANSACTION = (failpoints.OPEN, failpoints.COMPLETE)
DEADLY: Mapping[Kind, Sequence[str]] = {
    "die_encoder": (failpoints.OPEN, failpoints.COMPLETE, failpoints.COMMITTED),
    "die_matcher": (failpoints.OPEN, failpoints.COMPLETE, failpoints.COMMITTED, failpoints.COMMITTED),
    "die_successor": (failpoints.FENCED, failpoints.FOLLOWING),
    "freeze_encoder_in_transaction": IN_TRANSACTION,
    "freeze_matcher_in_transaction": IN_TRANSACTION,
}


class Fault(Struct, frozen=True, kw_only=True):
    """One fault. `at`: how many offers are sent before it strikes. `point`: the failpoint, where it is one.

    `seconds`: how long a frozen process stands still beyond the session time-out, a dead process is away (a quarter of
    it) or a broker (three times as long), photos are bad. `node`: the broker, from 1. `alone`: nothing else happens
    until decisions come again; otherwise the next fault may strike meanwhile. `instant`: further seconds before it
    strikes, so that it hits any moment.
    """

    kind: Kind
    at: int
    point: str = ""
    seconds: float = 0.0
    node: int = 1
    alone: bool = True
    instant: float = 0.0

    @property
    def kills(self) -> int:
        return KILLS.get(self.kind, 0)


def schedule(seed: int, *, kills: int, offers: int, nodes: int, kinds: Sequence[Kind] = ()) -> tuple[Fault, ...]:
    """Faults until at least `kills` processes and brokers are to be killed, spread evenly over `offers`.

    They come in rounds, each in an order of its own. `kinds`: what a round consists of, and then none is left unended;
    by default all there are, more often those that matter most. A lone broker is never killed, only stopped and
    started. Raises ValueError where no kind kills.
    """
    whole_rounds = bool(kinds)
    kinds = [kind for kind in kinds or _WEIGHTED if nodes > 1 or kind not in NOT_ALONE]
    if kills and not any(KILLS.get(kind, 0) for kind in kinds):
        raise ValueError(f"expected a kind of fault that kills, got {', '.join(kinds)}")
    draws = random.Random(seed)
    chosen: list[Kind] = []
    while sum(KILLS.get(kind, 0) for kind in chosen) < kills:
        deck = list(kinds)
        draws.shuffle(deck)
        for kind in deck:
            chosen.append(kind)
            if not whole_rounds and sum(KILLS.get(one, 0) for one in chosen) >= kills:
                break
    return tuple(
        Fault(
            kind=kind,
            at=round((number + 1) * offers / (len(chosen) + 1)),
            point=draws.choice(DEADLY[kind]) if kind in DEADLY else "",
            seconds=round(draws.uniform(0.0, 4.0), 2),
            node=draws.randint(1, nodes),
            alone=draws.random() < 0.7,
            instant=round(draws.uniform(0.0, 0.5), 3),
        )
        for number, kind in enumerate(chosen)
    )
