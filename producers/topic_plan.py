"""The topics a process needs, checked before it takes any work."""

import logging
import time
from collections.abc import Callable, Collection

from matcher.clock import Clock
from matcher.settings import Settings
from producers.client import base_config
from producers.topics import KafkaUnreachable, TopicOutcome, TopicPlan, check_topics, create_topics

log = logging.getLogger(__name__)

#: Seconds for one answer while waiting for a Kafka that is not up yet: a process that is told to stop waits no longer.
ANSWER_WAIT = 5.0


def topic_plan(settings: Settings) -> TopicPlan:
    """Names and partitions of all topics, as the settings have them."""
    names = settings.topics
    return TopicPlan(
        offers=names.offers,
        offer_features=names.features,
        matches=names.matches,
        needs_review=names.needs_review,
        verdicts=names.verdicts,
        dead_letters=names.dead_letters,
        offers_partitions=names.offers_partitions,
        universes=names.universes,
        replication=names.replication or None,
        tombstone_retention_ms=int(names.tombstone_retention * 1000),
    )


def check(settings: Settings, needed: Collection[str]) -> None:
    """Raises `producers.topics.TopicsUnusable` when one of `needed` is missing or not as it should be."""
    check_topics(base_config(settings.kafka), topic_plan(settings), set(needed))


def check_patiently(settings: Settings, needed: Collection[str], stopping: Callable[[], bool], clock: Clock) -> bool:
    """As `check`, for a process that may have been started before Kafka: waits for it as the settings say.

    False when it was told to stop meanwhile. Raises `KafkaUnreachable` when the time is up, and what `check` raises.
    """
    patience = settings.kafka.start_patience
    deadline = clock.monotonic() + patience
    while not stopping():
        try:
            check_topics(base_config(settings.kafka), topic_plan(settings), set(needed), ANSWER_WAIT)
        except KafkaUnreachable as error:
            left = deadline - clock.monotonic()
            if left <= 0:
                raise
            log.warning("waiting for Kafka, %.0f s more at most: %s", left, error)
        else:
            return True
    return False


def create(settings: Settings, wait: float = 0.0) -> list[TopicOutcome]:
    """Creates what is missing, for up to `wait` seconds until Kafka answers. Raises as `create_topics` does."""
    deadline = time.monotonic() + wait
    while True:
        try:
            return create_topics(base_config(settings.kafka), topic_plan(settings))
        except KafkaUnreachable:
            if time.monotonic() >= deadline:
                raise
