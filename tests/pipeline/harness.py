"""A pipeline of a test's own: topics, settings and state that nobody else has, and what became of every offer."""

import contextlib
import os
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import KafkaException, Producer

from matcher.events.dead_letter import read_dead_letter
from matcher.events.decision import Decision, read_decision
from matcher.events.envelope import Headers, Record
from matcher.events.features import OfferFeatures, read_features
from matcher.events.place import Place, Version
from matcher.settings import Encoder, Kafka, Matcher, Photos, Process, Settings, Topics
from producers.topic_plan import create
from tests.pipeline.daemons import Daemon
from tests.pipeline.readers import Reader, everything_on

#: Seconds; short, since a test that kills a consumer waits that long. Other brokers than the embedded one allow no
#: less than 6 by default.
SESSION = 3.0
FOREIGN_SESSION = 6.0


@dataclass(frozen=True)
class Event:
    """A record to send; `partition` None leaves that to the key. `timestamp_ms`: its Kafka time, 0: now."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None
    timestamp_ms: int = 0


def offer(offer_id: str, title: str | None = None, *, headers: Headers = (), **fields: Any) -> Event:
    """A clean event for `offers`."""
    body = {"offer_id": offer_id, "seller_id": f"seller of {offer_id}", "title": title, **fields}
    return Event(
        offer_id.encode(), msgspec.json.encode({k: v for k, v in body.items() if v is not None}), tuple(headers)
    )


def deletion(offer_id: str) -> Event:
    return Event(offer_id.encode(), None)


def settings_for(bootstrap: str, folder: Path, name: str, **sections: Mapping[str, Any]) -> Settings:
    """Quick to start and quick to notice. `sections` change single settings: `encoder={"in_flight": 8}`."""
    session = FOREIGN_SESSION if "KAFKA_BOOTSTRAP" in os.environ else SESSION
    settings = Settings(
        kafka=Kafka(bootstrap=bootstrap, session_timeout=session),
        topics=Topics(prefix=f"{name}.", offers_partitions=3),
        photos=Photos(file_root=str(folder / "photos"), timeout=3.0, connect_timeout=2.0),
        encoder=Encoder(model="dummy", group=f"{name}-encoder", http_port=0),
        matcher=Matcher(
            bundle="untrained-dummy", group=f"{name}-matcher", http_port=0, state_folder=str(folder / "state")
        ),
        process=Process(drain=10.0),
    )
    for section, changes in sections.items():
        changed = msgspec.structs.replace(getattr(settings, section), **changes)
        settings = msgspec.structs.replace(settings, **{section: changed})
    return settings


def with_prefix(settings: Settings) -> Settings:
    """The settings as `load_settings` gives them to a process."""
    topics = settings.topics
    names = ("offers", "features", "matches", "needs_review", "verdicts", "dead_letters")
    named = {name: topics.prefix + getattr(topics, name) for name in names}
    return msgspec.structs.replace(settings, topics=msgspec.structs.replace(topics, **named))


class Pipeline:
    """Topics, the processes on them, and readers of what they publish."""

    def __init__(self, bootstrap: str, folder: Path, **sections: Mapping[str, Any]) -> None:
        self.folder = folder
        self.settings = settings_for(bootstrap, folder, f"test-{uuid.uuid4().hex[:10]}", **sections)
        self.kafka = self.settings.kafka
        create(with_prefix(self.settings), wait=30.0)
        self.topics = with_prefix(self.settings).topics
        self.daemons: list[Daemon] = []
        self.use_producer({})
        self.matches = Reader(self.kafka, self.topics.matches)
        self.features = Reader(self.kafka, self.topics.features)
        self.dead_letters = Reader(self.kafka, self.topics.dead_letters)

    def start(self, command: str, settings: Settings | None = None) -> Daemon:
        """Starts a process; one after another of the same command is its successor."""
        log = self.folder / f"{command}-{len(self.daemons)}.log"
        daemon = Daemon(command, settings or self.settings, log)
        self.daemons.append(daemon)
        return daemon

    def encoder(self, **changes: Any) -> Daemon:
        """`changes`: to the section [encoder]."""
        own = msgspec.structs.replace(self.settings.encoder, **changes)
        return self.start("encoder", msgspec.structs.replace(self.settings, encoder=own))

    def matcher(self, **changes: Any) -> Daemon:
        """`changes`: to the section [matcher]."""
        own = msgspec.structs.replace(self.settings.matcher, **changes)
        return self.start("matcher", msgspec.structs.replace(self.settings, matcher=own))

    def use_producer(self, config: Mapping[str, Any]) -> None:
        """Sends on with other settings of the client; keys go where our own producers send them."""
        common = {"bootstrap.servers": self.kafka.bootstrap, "partitioner": "murmur2_random", "linger.ms": 2}
        self._producer = Producer({**common, "acks": "all", "log_level": 0, **config})

    def send(self, *events: Event) -> list[Version]:
        """Puts events on `offers`; returns the versions that they became, once all replicas have them."""
        return [Version(place.partition, place.offset) for place in self.send_to(self.topics.offers, *events)]

    def send_to(self, topic: str, *events: Event) -> list[Place]:
        places: list[Place | None] = [None] * len(events)
        for number, event in enumerate(events):
            self._produce(topic, event, number, places)
        assert self._producer.flush(60) == 0, "not everything was acknowledged in time"
        assert all(places), "not everything was accepted"
        return [place for place in places if place]

    def _produce(self, topic: str, event: Event, number: int, places: list[Place | None]) -> None:
        def delivered(error: Any, message: Any) -> None:
            if error is not None:
                raise KafkaException(error)
            places[number] = Place(message.topic(), message.partition(), message.offset())

        self._producer.produce(
            topic,
            event.value,
            event.key,
            partition=-1 if event.partition is None else event.partition,
            headers=list(event.headers),
            timestamp=event.timestamp_ms,
            on_delivery=delivered,
        )
        self._producer.poll(0)

    def check(self) -> None:
        """Fails the test when the last process of a kind has ended by itself."""
        for daemon in {daemon.command: daemon for daemon in self.daemons}.values():
            daemon.check()

    def wait_for(self, versions: Iterable[Version]) -> None:
        """Returns when each of `versions` is decided, withdrawn or a dead letter."""
        open_ = set(versions)

        def all_ended(_: Sequence[Record]) -> bool:
            self.dead_letters.poll(0.01)
            open_.difference_update(endings(self.matches.records), endings(self.dead_letters.records))
            return not open_

        try:
            self.matches.until(all_ended, "an ending for every version", self.check)
        except AssertionError as late:
            tails = "\n\n".join(f"{daemon.command}:\n{daemon.tail()}" for daemon in self.daemons)
            raise AssertionError(f"{late}; open: {sorted(open_)[:5]} …\n{tails}") from None

    def decide(self, *events: Event) -> list[Decision]:
        """Sends offers and returns the decisions on them, in order."""
        versions = self.send(*events)
        self.wait_for(versions)
        return [self.decision(version) for version in versions]

    def decision(self, version: Version) -> Decision:
        decided = [read_decision(r.value) for r in self.matches.records if r.value and ending_of(r) == version]
        assert decided, f"no decision on {version}"
        return decided[0]

    def features_of(self, version: Version) -> OfferFeatures:
        """What the encoder published about a version."""
        self.features.until(lambda found: version in endings(found), f"the features of {version}", self.check)
        (found,) = (read_features(r.key, r.value) for r in self.features.records if r.value and ending_of(r) == version)
        return found

    def assert_each_ended_once(self, versions: Sequence[Version]) -> None:
        """For a `read_committed` reader, every version has one decision, null or dead letter, and nothing else has."""
        records = everything_on(self.kafka, self.topics.matches) + everything_on(self.kafka, self.topics.dead_letters)
        counted = Counter(endings(records))
        assert {version: n for version, n in counted.items() if n > 1} == {}, "ended more than once"
        assert counted.keys() == set(versions), "not every version ended, or more than were sent"

    def close(self) -> None:
        for daemon in self.daemons:
            daemon.end()
        for reader in (self.matches, self.features, self.dead_letters):
            reader.close()


def endings(records: Iterable[Record]) -> Iterator[Version]:
    """The version that each of these decisions, nulls and dead letters ends."""
    for record in records:
        version = ending_of(record)
        if version is not None:
            yield version


def ending_of(record: Record) -> Version | None:
    """A dead letter of the encoder ends the version at its place; one of the matcher may have none."""
    letter = read_dead_letter(record.headers)
    if letter is not None and letter.stage == "encoder":
        return Version(letter.place.partition, letter.place.offset)
    for name, value in record.headers:
        if name == "ce_offerversion":
            with contextlib.suppress(ValueError):
                return Version.parse(value.decode("utf-8", "replace"))
    return None
