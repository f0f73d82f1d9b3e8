"""The domain: events, settings, encoders, projection, decisions, identity, evaluation. Knows no Kafka client."""
