"""How far a group has come, and whether every replica of a topic is in sync: asked from outside, joining nothing."""

from contextlib import closing

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumers.client import consumer_config
from matcher.settings import Kafka
from producers.topics import KafkaUnreachable


def committed_offsets(kafka: Kafka, group: str, topic: str, *, patience: float = 30.0) -> dict[int, int | None]:
    """Partition → the next offset that the group reads there, None where it has committed none.

    Raises `KafkaUnreachable` when Kafka does not say within `patience` seconds.
    """
    with closing(Consumer(dict(consumer_config(kafka, group)))) as consumer:
        try:
            numbers = consumer.list_topics(topic, timeout=patience).topics[topic].partitions
            asked = [TopicPartition(topic, number) for number in numbers]
            answers = consumer.committed(asked, timeout=patience)
        except KafkaException as error:
            raise KafkaUnreachable(f"no offsets of group {group} from {kafka.bootstrap}: {error}") from error
    for one in answers:
        if one.error is not None:
            raise KafkaUnreachable(f"no offset of group {group} in {topic}/{one.partition}: {one.error}")
    return {one.partition: one.offset if one.offset >= 0 else None for one in answers}


def all_in_sync(kafka: Kafka, *, patience: float = 5.0) -> bool:
    """Whether every partition of every topic has a leader and all of its replicas in sync; False without an answer."""
    with closing(Consumer(dict(consumer_config(kafka, "offermatch-look", log_level=0)))) as consumer:
        try:
            topics = consumer.list_topics(timeout=patience).topics.values()
        except KafkaException:
            return False
    partitions = [partition for topic in topics for partition in topic.partitions.values()]
    return all(one.leader >= 0 and len(one.isrs) == len(one.replicas) for one in partitions)
