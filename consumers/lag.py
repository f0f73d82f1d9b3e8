"""How far a consumer group is behind the end of a topic."""

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumers.client import consumer_config
from matcher.settings import Kafka


class GroupLag:
    """Asks a cluster, again and again, for the lag of one group; joins no group itself."""

    def __init__(self, kafka: Kafka, group: str, topic: str) -> None:
        self._consumer = Consumer(dict(consumer_config(kafka, group)))
        self._topic = topic

    def records(self, timeout: float = 10.0) -> int:
        """Records of all partitions that the group has not committed yet. Raises `KafkaException`."""
        topic = self._consumer.list_topics(self._topic, timeout=timeout).topics[self._topic]
        if topic.error is not None:
            raise KafkaException(topic.error)
        partitions = [TopicPartition(self._topic, number) for number in topic.partitions]
        behind = 0
        for position in self._consumer.committed(partitions, timeout=timeout):
            low, high = self._consumer.get_watermark_offsets(position, timeout=timeout)
            behind += max(0, high - (position.offset if position.offset >= 0 else low))
        return behind

    def close(self) -> None:
        self._consumer.close()
