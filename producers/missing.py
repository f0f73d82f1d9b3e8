"""Topics that a transaction was to write to and that are not there: deleted under a producer that is at work."""

from collections.abc import Collection

from confluent_kafka import KafkaError, KafkaException, Producer

from matcher.clock import Clock
from producers.refusal import UnpublishableError
from producers.topics import MAKE_COMMAND

#: Seconds for which Kafka has to say so before it is believed: brokers that have just started may not know them yet.
PATIENCE = 30.0
#: Seconds for an answer about one topic.
ANSWER_WAIT = 1.0


class MissingTopics:
    """What was missing when it was last looked for, and since when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def forget(self) -> None:
        """All that was written to is there."""
        self._since.clear()

    def look(self, producer: Producer, topics: Collection[str]) -> None:
        """Asks for each of `topics`; an answer that does not come changes nothing.

        Raises `UnpublishableError` once Kafka has said for `PATIENCE` that one is missing.
        """
        for topic in topics:
            try:
                found = producer.list_topics(topic, timeout=ANSWER_WAIT).topics[topic].error
            except KafkaException:
                continue
            if found is None or found.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                self._since.pop(topic, None)
                continue
            now = self._clock.monotonic()
            missing = now - self._since.setdefault(topic, now)
            if missing >= PATIENCE:
                raise UnpublishableError(
                    f"topic {topic} has been missing for {missing:.0f} s: it was deleted, or this is another cluster. "
                    f"Run `{MAKE_COMMAND}`, and start again"
                )
