"""A real Apache Kafka that runs from Python packages alone: no Docker, no installed Java, no root."""
