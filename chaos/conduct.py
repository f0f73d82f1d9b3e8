"""Carries out the faults of a schedule, one after the other, and measures how soon decisions come again."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping

from chaos.brokers import Brokers
from chaos.crew import Crew
from chaos.errors import PATIENCE, ChaosFailedError
from chaos.faults import Fault, Kind
from chaos.photos import PhotoHost
from chaos.processes import Member, wait_for
from chaos.progress import Progress

log = logging.getLogger(__name__)

#: Seconds in which a failpoint is reached while there is work, or it is given up.
REACH_PATIENCE = 20.0


class Conductor:
    """`kills`, `struck` (by kind), `missed`, `takeovers`: what was done, and what came of it, so far.

    `takeovers`: seconds from the death of the active matcher to the first decision of another that is visible, of
    those deaths at which a standby was ready and nothing else went wrong meanwhile. `frozen_takeovers`: likewise, from
    the moment at which it was frozen.
    """

    def __init__(self, crew: Crew, brokers: Brokers, photos: PhotoHost, progress: Progress, session: float) -> None:
        self._crew = crew
        self._brokers = brokers
        self._photos = photos
        self._progress = progress
        self._session = session
        self.kills: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.takeovers: list[float] = []
        self.frozen_takeovers: list[float] = []
        self._deeds: Mapping[Kind, Callable[[Fault], bool]] = {
            "kill_encoder": self._kill_encoder,
            "kill_matcher": self._kill_matcher,
            "kill_standby": self._kill_standby,
            "lose_state": self._kill_matcher,
            "die_encoder": self._die_encoder,
            "die_matcher": self._die_matcher,
            "die_successor": self._die_successor,
            "kill_broker": self._harm_broker,
            "restart_broker": self._harm_broker,
            "freeze_broker": self._freeze_broker,
            "freeze_encoder": self._freeze_encoder,
            "freeze_matcher": self._freeze_matcher,
            "freeze_encoder_in_transaction": self._freeze_encoder,
            "freeze_matcher_in_transaction": self._freeze_matcher,
            "slow_photos": self._spoil_photos,
            "failing_photos": self._spoil_photos,
            "leave_matcher": self._leave_matcher,
            "join_encoder": self._join_encoder,
        }

    def strike(self, fault: Fault) -> None:
        """Does what the fault says, and undoes it. Raises `ChaosFailedError` where the pipeline does not recover."""
        self._crew.revive()
        time.sleep(fault.instant)
        log.info("%s", fault)
        done = self._deeds[fault.kind](fault)
        (self.struck if done else self.missed)[fault.kind] += 1
        self._crew.revive()

    def _recovered(self, moment: float, after: str) -> float:
        """Seconds from `moment` to the next decision. What ends meanwhile by itself is started again."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            seen = self._progress.next_after(moment, 0.5)
            if seen is not None:
                return seen - moment
            self._crew.revive()
        raise ChaosFailedError(f"no decision in {PATIENCE:.0f} s after {after}")

    def _ended(self, member: Member, fault: Fault) -> None:
        """A process was killed: it stays away for a while, and comes back."""
        self.kills[member.command] += 1
        if fault.kind == "lose_state":
            member.lose_state()

    def _kill_encoder(self, fault: Fault) -> bool:
        encoder = self._crew.encoder
        moment = encoder.kill()
        self._ended(encoder, fault)
        time.sleep(fault.seconds / 4)
        encoder.start()
        if fault.alone:
            self._recovered(moment, "the encoder was killed")
        return True

    def _die_encoder(self, fault: Fault) -> bool:
        encoder = self._crew.encoder
        moment = encoder.arm(fault.point, "kill", REACH_PATIENCE)
        if moment is None:
            return False
        self._ended(encoder, fault)
        time.sleep(fault.seconds / 4)
        encoder.start()
        if fault.alone:
            self._recovered(moment, f"the encoder died at {fault.point}")
        return True

    def _target(self, fault: Fault) -> tuple[Member | None, bool]:
        """The matcher that decides, and whether another one is ready to take over."""
        standby = self._crew.await_standby(PATIENCE / 3) if fault.alone else self._crew.standby()
        active = self._crew.await_active(PATIENCE / 3)
        return active, standby is not None and standby is not active

    def _kill_matcher(self, fault: Fault) -> bool:
        active, ready = self._target(fault)
        if active is None:
            return False
        moment = active.kill()
        self._after_death(active, moment, ready, fault)
        return True

    def _die_matcher(self, fault: Fault) -> bool:
        active, ready = self._target(fault)
        moment = active.arm(fault.point, "kill", REACH_PATIENCE) if active is not None else None
        if active is None or moment is None:
            return False
        self._after_death(active, moment, ready, fault)
        return True

    def _after_death(self, dead: Member, moment: float, ready: bool, fault: Fault) -> None:
        self._ended(dead, fault)
        if fault.alone and ready:
            self.takeovers.append(self._recovered(moment, f"{dead.name} died ({fault.kind} {fault.point})"))
            dead.start()
        else:
            time.sleep(fault.seconds / 4)
            dead.start()

    def _die_successor(self, fault: Fault) -> bool:
        standby = self._crew.await_standby(PATIENCE / 3)
        active = self._crew.await_active(PATIENCE / 3)
        if active is None or standby is None or active is standby:
            return False
        order = standby.place_order(fault.point, "kill")
        moment = active.kill()
        self._ended(active, fault)
        reached = standby.await_order(order, REACH_PATIENCE)
        if reached:
            moment = standby.obeyed("kill")
            self._ended(standby, fault)
        for member in (active, standby):
            member.start()
        if fault.alone:
            self._recovered(moment, f"two matchers died, one at {fault.point}")
        return reached

    def _kill_standby(self, fault: Fault) -> bool:
        standby = self._crew.standby()
        if standby is None:
            return False
        standby.kill()
        self._ended(standby, fault)
        time.sleep(fault.seconds / 4)
        standby.start()
        return True

    def _freeze_matcher(self, fault: Fault) -> bool:
        """It wakes when it has been thrown out, and its successor has decided, if it has one."""
        active, ready = self._target(fault)
        if active is None:
            return False
        moment = active.arm(fault.point, "stop", REACH_PATIENCE) if fault.point else active.freeze()
        if moment is None:
            return False
        until = time.monotonic() + self._session + 0.5 + fault.seconds
        try:
            if ready:
                self.frozen_takeovers.append(self._recovered(moment, f"{active.name} froze {fault.point}"))
            wait_for(lambda: time.monotonic() >= until, PATIENCE)
        finally:
            woken = time.time()
            active.wake()
        if fault.alone:
            self._recovered(woken, f"{active.name} woke")
        return True

    def _freeze_encoder(self, fault: Fault) -> bool:
        encoder = self._crew.encoder
        moment = encoder.arm(fault.point, "stop", REACH_PATIENCE) if fault.point else encoder.freeze()
        if moment is None:
            return False
        if fault.seconds > 2.0:  # somebody else works on meanwhile
            self._crew.spare_encoder.start()
        time.sleep(self._session + 0.5 + fault.seconds)
        woken = time.time()
        encoder.wake()
        if fault.alone:
            self._recovered(woken, f"{encoder.name} woke")
        if self._crew.spare_encoder.running:
            self._crew.spare_encoder.stop()
        return True

    def _harm_broker(self, fault: Fault) -> bool:
        if fault.kind == "kill_broker":
            self._brokers.kill(fault.node)
            self.kills["broker"] += 1
        else:
            self._brokers.stop(fault.node)
        time.sleep(3 * fault.seconds)
        self._brokers.start(fault.node)
        self._await_whole(fault)
        self._recovered(time.time(), f"broker {fault.node} came back")
        return True

    def _await_whole(self, fault: Fault) -> None:
        if not wait_for(self._brokers.whole, PATIENCE):
            raise ChaosFailedError(f"broker {fault.node} did not catch up with the others in {PATIENCE:.0f} s")

    def _freeze_broker(self, fault: Fault) -> bool:
        self._brokers.freeze(fault.node)
        time.sleep(self._session + 2.0 + fault.seconds)
        self._brokers.wake(fault.node)
        self._await_whole(fault)
        self._recovered(time.time(), f"broker {fault.node} woke")
        return True

    def _spoil_photos(self, fault: Fault) -> bool:
        self._photos.mood = "slow" if fault.kind == "slow_photos" else "failing"
        time.sleep(1.0 + fault.seconds)
        self._photos.mood = "good"
        return True

    def _leave_matcher(self, fault: Fault) -> bool:
        active, _ = self._target(fault)
        if active is None:
            return False
        moment = time.time()
        status = active.stop()
        if status != 0:
            active.exits.append((active.log.name, status))
        if fault.alone:
            self._recovered(moment, f"{active.name} left")
        active.start()
        return True

    def _join_encoder(self, fault: Fault) -> bool:
        """It comes, takes its share, and leaves."""
        spare = self._crew.spare_encoder.start()
        joined = wait_for(spare.ready, PATIENCE / 3)
        time.sleep(fault.seconds / 2)
        status = spare.stop()
        if status != 0:
            spare.exits.append((spare.log.name, status))
        return joined
