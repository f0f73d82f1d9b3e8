"""Producing without transactions: an idempotent producer that knows of every record whether Kafka took it."""

from collections.abc import Callable
from typing import Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from msgspec import Struct

from matcher.clock import Clock
from matcher.events.envelope import Outgoing
from matcher.events.place import Place
from matcher.settings import Kafka
from producers.client import producer_config

#: How many refusals are kept in full; all are counted.
REFUSALS_KEPT = 20


class NotDeliveredError(RuntimeError):
    """Kafka did not acknowledge in time, or cannot be produced to any more; the message says how much is open."""


class Refusal(Struct, frozen=True):
    """A record that Kafka did not take, by its key, and why."""

    key: str
    reason: str


class Publisher:
    """An idempotent producer. Records of one key stay in order and none is written twice by a retry.

    `patience`: seconds that Kafka may take to make room, and to answer for the rest at the end. The topic should be
    known to exist: librdkafka looks for one for half a minute.
    """

    def __init__(self, kafka: Kafka, clock: Clock, *, patience: float = 60.0) -> None:
        self._clock = clock
        self._patience = patience
        self._where = kafka.bootstrap
        self.delivered = 0
        self.refused = 0
        self.refusals: tuple[Refusal, ...] = ()
        # Records time out later than our patience does, so that a Kafka that is gone is one error, not one for each.
        config = producer_config(kafka, **{"delivery.timeout.ms": int(2 * patience * 1000)})
        self._producer = Producer(dict(config))

    def send(self, record: Outgoing, on_taken: Callable[[Place], None] | None = None) -> None:
        """Hands one record over, waiting while librdkafka's queue is full. Whether Kafka took it shows later.

        `on_taken` is called, some time before `finish` returns, with the place that the record has got.
        Raises `NotDeliveredError` when the queue stays full, or the producer has failed for good.
        """
        deadline: float | None = None

        def reported(error: KafkaError | None, message: Message) -> None:
            self._reported(error, message)
            if error is None and on_taken is not None:
                on_taken(Place(str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)))

        while True:
            try:
                self._producer.produce(
                    record.topic,
                    key=record.key,
                    value=record.value,
                    headers=list(record.headers),
                    partition=-1 if record.partition is None else record.partition,
                    on_delivery=self._reported if on_taken is None else reported,
                )
            except BufferError:
                now = self._clock.monotonic()
                deadline = now + self._patience if deadline is None else deadline
                if now > deadline:
                    raise self._not_delivered("made no room for more") from None
                self._producer.poll(0.1)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    raise self._not_delivered(f"cannot be produced to ({error.args[0].str()})") from error
                self._refuse(record.key, error.args[0])
                return
            else:
                self._producer.poll(0)
                return

    def wait(self, seconds: float) -> None:
        """Lets librdkafka work meanwhile."""
        self._producer.poll(seconds)

    def finish(self) -> None:
        """Returns when Kafka has answered for every record. Raises `NotDeliveredError` when it does not in time."""
        if self._producer.flush(self._patience):
            raise self._not_delivered("did not answer")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """What was handed over is delivered; after an error only for a moment."""
        if kind is None:
            self.finish()
        else:
            self._producer.flush(1.0)

    def _reported(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.delivered += 1
        else:
            key = message.key()
            self._refuse(key.encode() if isinstance(key, str) else key, error)

    def _refuse(self, key: bytes | None, error: KafkaError) -> None:
        self.refused += 1
        if len(self.refusals) < REFUSALS_KEPT:
            self.refusals += (Refusal((key or b"").decode(errors="replace"), error.str()),)

    def _not_delivered(self, what: str) -> NotDeliveredError:
        return NotDeliveredError(
            f"Kafka at {self._where} {what} in {self._patience:.0f} s: {self.delivered} records were taken, "
            f"{self.refused} refused, {len(self._producer)} are open"
        )
