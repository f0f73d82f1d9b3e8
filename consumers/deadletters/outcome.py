"""What became of a dead letter that was replayed: waits until its stage has committed it, and looks for another letter.

A stage commits what it read together with what it says about it, so the committed offset tells when to look.
"""

from contextlib import closing

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumers.client import consumer_config, is_passing
from consumers.deadletters.letters import Letter
from consumers.tail import ends, tail
from matcher.clock import Clock
from matcher.events.dead_letter import read_dead_letter
from matcher.settings import Settings
from producers.plain import Publisher

#: Seconds between two questions to Kafka.
ASK_EVERY = 0.1


class NoOutcomeError(RuntimeError):
    """What was replayed was not read in time; the message says how far its stage is."""


class Outcomes:
    """Follows the topic of dead letters from the moment it is made."""

    def __init__(self, settings: Settings, publisher: Publisher, clock: Clock, patience: float) -> None:
        """`patience`: seconds that a stage may take for one record."""
        self._settings = settings
        self._publisher = publisher
        self._clock = clock
        self._patience = patience
        self._groups = {"encoder": settings.encoder.group, "matcher": settings.matcher.group}
        self._next = ends(settings.kafka, settings.topics.dead_letters)

    def wait(self, letter: Letter, offset: int) -> Letter | None:
        """The new dead letter that the record at `offset`, replayed from `letter`, has become; None if it passed.

        Raises `NoOutcomeError`.
        """
        self._until_committed(letter, offset)
        return self._failure(letter)

    def _until_committed(self, letter: Letter, offset: int) -> None:
        assert letter.told is not None
        group = self._groups[letter.told.stage]
        topic, number = letter.told.place.topic, letter.told.place.partition
        deadline = self._clock.monotonic() + self._patience
        reached = -1
        with closing(Consumer(dict(consumer_config(self._settings.kafka, group)))) as consumer:
            while reached <= offset:
                if self._clock.monotonic() > deadline:
                    raise NoOutcomeError(
                        f"what was replayed of {letter.name} stands at {topic}/{number}/{offset}, but after "
                        f"{self._patience:g} s group {group} has read that partition only up to {max(reached, 0)}: "
                        f"expected a running {letter.told.stage} that keeps up"
                    )
                try:
                    (position,) = consumer.committed([TopicPartition(topic, number)], timeout=self._patience)
                    reached = position.offset
                except KafkaException as error:
                    if not is_passing(error.args[0]):
                        raise
                if reached <= offset:
                    self._publisher.wait(ASK_EVERY)

    def _failure(self, letter: Letter) -> Letter | None:
        """Looks at all that is written by now, also where the transaction's end has not arrived there yet."""
        assert letter.told is not None
        kafka, topic = self._settings.kafka, self._settings.topics.dead_letters
        written = ends(kafka, topic, committed=False)
        deadline = self._clock.monotonic() + self._patience
        while any(end < written[number] for number, end in ends(kafka, topic).items()):
            if self._clock.monotonic() > deadline:
                raise NoOutcomeError(f"a transaction on {topic} stays open: no telling what became of {letter.name}")
            self._publisher.wait(ASK_EVERY)
        found = None
        for record in tail(kafka, topic, starts=self._next):
            self._next[record.partition] = record.offset + 1
            told = read_dead_letter(record.headers)
            if told is not None and told.place == letter.told.place and told.attempt > letter.told.attempt:
                found = Letter(record=record, told=told)
        return found
