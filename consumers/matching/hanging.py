"""Whether something on `matches` stays hidden behind a transaction that nobody will end: a marker that Kafka lost.

Kafka 4.3.0, 4.3.1 and 4.4.0 can report a transaction as committed and never say so in the log (KAFKA-20734). Who reads
`read_committed` stops before it for ever, and does not see what was decided there.
"""

import logging

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumers.client import consumer_config, is_passing
from matcher.clock import Clock
from matcher.settings import Kafka

log = logging.getLogger(__name__)

#: Seconds between two looks, and for Kafka to answer.
LOOK_EVERY, ANSWER_WAIT = 1.0, 2.0
#: Seconds between two looks of Kafka for transactions whose time is up (its default).
KAFKA_LOOKS_EVERY = 10.0


class HangingTransactionError(RuntimeError):
    """A transaction on `matches` is open although every writer was fenced: deciding on would repeat what it hides."""


class HiddenEnd:
    """Looks behind the last committed record of one partition.

    An open transaction is nothing bad yet: another one's may be under way, and one that was left behind ends when its
    time is up. What stays at the same place for longer than Kafka lets any of ours be is hanging.
    """

    def __init__(self, kafka: Kafka, group: str, topic: str, partition: int, clock: Clock) -> None:
        own = {"isolation.level": "read_uncommitted"}
        self._consumer = Consumer(dict(consumer_config(kafka, group, **own)))
        self._place = TopicPartition(topic, partition)
        self._bootstrap = kafka.bootstrap
        self._patience = 2 * (kafka.transaction_timeout + KAFKA_LOOKS_EVERY)
        self._clock = clock
        self._next = 0.0
        self._stuck: tuple[int, float] | None = None

    def hides(self, committed: int) -> bool | None:
        """Whether there is more than what `read_committed` shows up to `committed`; None: ask again later.

        Raises `HangingTransactionError` when that has not moved for too long, `KafkaException`.
        """
        now = self._clock.monotonic()
        if now < self._next:
            return None
        self._next = now + LOOK_EVERY
        try:
            _, end = self._consumer.get_watermark_offsets(self._place, timeout=ANSWER_WAIT)
        except KafkaException as error:
            if is_passing(error.args[0]):
                return None
            raise
        if end <= committed:
            return False
        if self._stuck is None or self._stuck[0] != committed:
            self._stuck = (committed, now)
            log.warning(
                "%s/%d: an open transaction hides what lies between offsets %d and %d; waiting for its end",
                self._place.topic, self._place.partition, committed, end,
            )  # fmt: skip
        elif now - self._stuck[1] > self._patience:
            raise HangingTransactionError(self._remedy(committed, end))
        return True

    def close(self) -> None:
        self._consumer.close()

    def _remedy(self, committed: int, end: int) -> str:
        topic, partition = self._place.topic, self._place.partition
        tool = f"kafka-transactions.sh --bootstrap-server {self._bootstrap}"
        return (
            f"{topic}/{partition}: a transaction at offset {committed} has been open for more than "
            f"{self._patience:.0f} s although its writer was fenced (the log goes on to {end}): Kafka lost its end "
            f"(KAFKA-20734), and what was decided there is hidden. Nothing was decided anew. Look at it with "
            f"`{tool} find-hanging --topic {topic} --partition {partition}`, end it with "
            f"`{tool} abort --topic {topic} --partition {partition} --start-offset {committed}`, and then let what it "
            f'held be decided again, as docs/errors.md says under "A hanging transaction"'
        )
