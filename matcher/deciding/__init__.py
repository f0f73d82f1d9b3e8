"""Deciding: what becomes of each offer of a batch. Pure: no Kafka, no clock; the same input gives the same decisions."""
