"""Whether a consumer is still let into its group: librdkafka can lose its coordinator for good when brokers restart.

It then neither joins nor says so (seen with 2.16 and a lone broker that was stopped just when the session ran out: the
coordinator was given up, and none looked for any more). A new consumer joins at once.
"""

import logging
import threading

from confluent_kafka import Consumer, KafkaException

from matcher.clock import Clock
from producers.client import Value

log = logging.getLogger(__name__)

#: Seconds between two looks at it.
LOOK_EVERY = 1.0
#: Seconds out of the group, at least, after which a new consumer takes the place of the old.
PATIENCE = 30.0
#: Seconds that Kafka may take to answer the new one.
ANSWER_WAIT = 2.0


class Membership:
    """Looks now and then. `session`: the session time-out in seconds; joining may take some of them."""

    def __init__(self, clock: Clock, session: float) -> None:
        self._clock = clock
        self._patience = max(PATIENCE, 3 * session)
        self._next = 0.0
        self._member_at = clock.monotonic()

    def overdue(self, consumer: Consumer) -> bool:
        """Whether `consumer` has been out for too long; then the patience begins anew."""
        now = self._clock.monotonic()
        if now < self._next:
            return False
        self._next = now + LOOK_EVERY
        if consumer.memberid():
            self._member_at = now
        if now - self._member_at < self._patience:
            return False
        self._member_at = now
        return True


def successor(old: Consumer, config: dict[str, Value], topic: str) -> Consumer | None:
    """A new consumer, not yet subscribed, in the place of `old`, which is closed beside; None while Kafka is away."""
    new = Consumer(config)
    try:
        new.list_topics(topic, timeout=ANSWER_WAIT)
    except KafkaException as error:
        log.warning("%s: out of the group, and Kafka does not answer: %s", topic, error)
        new.close()
        return None
    log.warning("%s: out of the group although Kafka answers; joining it with a new consumer", topic)
    # It may wait for the coordinator that it has lost.
    threading.Thread(target=old.close, name="leaving", daemon=True).start()
    return new
