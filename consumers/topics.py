"""The topics a process needs, checked before it takes any work."""

from collections.abc import Collection

from matcher.settings import Settings
from producers.client import base_config
from producers.topics import TopicPlan, check_topics


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
        replication=names.replication,
    )


def check(settings: Settings, needed: Collection[str]) -> None:
    """Raises `producers.topics.TopicsUnusable` when one of `needed` is missing or not as it should be."""
    check_topics(base_config(settings.kafka), topic_plan(settings), set(needed))
