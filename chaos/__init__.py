"""Chaos: the pipeline on a real Kafka while its processes and brokers are killed, frozen and fed with rubbish."""
