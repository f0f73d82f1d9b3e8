"""Makes the shared fixtures known to pytest from every folder."""

pytest_plugins = ["tests.kafka", "tests.secure_kafka", "tests.weaviate"]
