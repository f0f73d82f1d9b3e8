"""Everything that writes to Kafka: topics, decisions, dead letters, replays and the simulated marketplace."""
