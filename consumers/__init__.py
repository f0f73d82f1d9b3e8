"""Kafka in: the consumer loop and the processes that stand on it."""
