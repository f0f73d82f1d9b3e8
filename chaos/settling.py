"""How a run waits and ends: events sent, everything read, processes stopped, all states brought up to the log."""

import logging
import time
from itertools import chain

from chaos.collect import finished
from chaos.crew import Crew
from chaos.errors import PATIENCE, ChaosFailedError
from chaos.feeding import Feeder
from chaos.processes import Member, wait_for
from chaos.progress import Progress
from matcher.settings import Settings
from producers.topics import KafkaUnreachable

log = logging.getLogger(__name__)

#: Seconds without any progress after which the rest counts as never coming.
STALL = 120.0


def await_sent(feeder: Feeder, count: int, members: Crew) -> None:
    """Returns when so many events are sent. Raises `ChaosFailedError` when the sellers fail, or nothing moves."""
    sent, moved = -1, time.monotonic()
    while feeder.sent < count:
        if feeder.failure is not None:
            raise ChaosFailedError(f"the offers could not be sent: {feeder.failure}")
        if feeder.sent > sent:
            sent, moved = feeder.sent, time.monotonic()
        elif time.monotonic() - moved > STALL:
            raise ChaosFailedError(f"nothing was sent for {STALL:.0f} s")
        members.revive()
        time.sleep(0.02)


def settle(settings: Settings, members: Crew, feeder: Feeder, progress: Progress, offers: int) -> None:
    """Lets everything come to rest: all processes up, at least `offers` events sent, everything read.

    Raises `ChaosFailedError` where nothing moves any more, or the sellers failed.
    """
    for member in chain([members.encoder], members.matchers):
        member.start()
    feeder.finish(offers)
    moved, before = time.monotonic(), (-1, -1)
    while feeder.is_alive() or not _finished(settings):
        now = (feeder.sent, progress.endings)
        if now != before:
            moved, before = time.monotonic(), now
        elif time.monotonic() - moved > STALL:
            raise ChaosFailedError(f"nothing happened for {STALL:.0f} s, with {now[1]} endings of {now[0]} events")
        members.revive()
        time.sleep(0.1)
    if feeder.failure is not None:
        raise ChaosFailedError(f"the offers could not be sent: {feeder.failure}")


def _finished(settings: Settings) -> bool:
    try:
        return finished(settings)
    except KafkaUnreachable as error:
        log.warning("%s", error)
        return False


def end(settings: Settings, members: Crew) -> Member:
    """Stops all processes, the active matcher last; has each other one follow what it missed. Returns the active one.

    The state of the active one stays as it was when it stopped.
    """
    active = members.await_active(PATIENCE)
    if active is None:
        raise ChaosFailedError("no matcher decides at the end")
    for member in (*members.encoders, *(one for one in members.matchers if one is not active), active):
        if member.running:
            _stop(member)
    for member in members.matchers:
        if member is not active:
            _follow(member, settings.topics.features)
    return active


def _follow(member: Member, features: str) -> None:
    member.start()
    if not wait_for(lambda: member.owns(features) and member.ready(), PATIENCE):
        raise ChaosFailedError(f"{member.name} did not follow the log: see {member.log}")
    _stop(member)


def _stop(member: Member) -> None:
    status = member.stop()
    if status != 0:
        member.exits.append((member.log.name, status))
