"""All processes of the run, and who of them does what at the moment."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from chaos.processes import Member, wait_for
from matcher.settings import Settings

log = logging.getLogger(__name__)


class Crew:
    """One encoder and a spare one, matchers with state folders of their own. `features`: the topic that they read."""

    def __init__(self, encoders: Sequence[Member], matchers: Sequence[Member], features: str) -> None:
        self.encoders = encoders
        self.matchers = matchers
        self._features = features

    @property
    def encoder(self) -> Member:
        return self.encoders[0]

    @property
    def spare_encoder(self) -> Member:
        return self.encoders[1]

    @property
    def members(self) -> Iterator[Member]:
        yield from (*self.encoders, *self.matchers)

    def active(self) -> Member | None:
        """The matcher that decides; None while nobody does."""
        return next((one for one in self.matchers if one.owns(self._features)), None)

    def standby(self) -> Member | None:
        """A matcher that could take over."""
        active = self.active()
        return next((one for one in self.matchers if one is not active and one.ready()), None)

    def await_active(self, patience: float) -> Member | None:
        wait_for(lambda: self.active() is not None, patience)
        return self.active()

    def await_standby(self, patience: float) -> Member | None:
        wait_for(lambda: self.standby() is not None, patience)
        return self.standby()

    def revive(self) -> None:
        """Starts again what has ended by itself."""
        for member in self.members:
            if member.revive():
                log.warning("%s ended by itself: %s (status %d)", member.name, *member.exits[-1])


def environment(bootstrap: str, name: str, folder: Path, session: float, transaction: float) -> Mapping[str, str]:
    """The settings that all processes of a run share; `session` and `transaction` are time-outs in seconds."""
    return {
        "OFFERMATCH_KAFKA_BOOTSTRAP": bootstrap,
        "OFFERMATCH_KAFKA_SESSION_TIMEOUT": str(session),
        "OFFERMATCH_KAFKA_TRANSACTION_TIMEOUT": str(transaction),
        "OFFERMATCH_TOPICS_PREFIX": f"{name}.",
        "OFFERMATCH_TOPICS_OFFERS_PARTITIONS": "3",
        "OFFERMATCH_PHOTOS_TIMEOUT": "3",
        "OFFERMATCH_PHOTOS_CONNECT_TIMEOUT": "2",
        "OFFERMATCH_ENCODER_MODEL": "dummy",
        "OFFERMATCH_ENCODER_GROUP": f"{name}-encoder",
        "OFFERMATCH_ENCODER_IN_FLIGHT": "64",
        "OFFERMATCH_ENCODER_HTTP_PORT": "0",
        "OFFERMATCH_MATCHER_BUNDLE": "untrained-dummy",
        "OFFERMATCH_MATCHER_GROUP": f"{name}-matcher",
        "OFFERMATCH_MATCHER_BATCH_SIZE": "16",
        "OFFERMATCH_MATCHER_HTTP_PORT": "0",
        "OFFERMATCH_MATCHER_STATE_FOLDER": str(folder / "matcher-0"),
        "OFFERMATCH_PROCESS_DRAIN": "10",
        "OMP_NUM_THREADS": "1",
    }


@contextmanager
def crew(environ: Mapping[str, str], settings: Settings, folder: Path, matchers: int) -> Iterator[Crew]:
    """The processes, not yet started; all are gone at the end."""
    encoders = [
        Member(f"encoder-{slot}", "encoder", {**environ, "OFFERMATCH_ENCODER_SLOT": str(slot)}, folder)
        for slot in range(2)
    ]
    deciders = []
    for number in range(matchers):
        state = folder / f"matcher-{number}"
        own = {**environ, "OFFERMATCH_MATCHER_STATE_FOLDER": str(state)}
        deciders.append(Member(f"matcher-{number}", "matcher", own, folder, state))
    made = Crew(encoders, deciders, settings.topics.features)
    try:
        yield made
    finally:
        for member in made.members:
            member.end()
