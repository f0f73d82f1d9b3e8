"""Deciding: what becomes of each offer of a batch. Pure: no Kafka, no clock; same input, same decisions."""
