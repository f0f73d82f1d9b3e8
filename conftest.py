"""Makes the shared fixtures known to pytest from every folder, and the profile of `make check` to Hypothesis."""

from hypothesis import settings

pytest_plugins = ["tests.kafka", "tests.secure_kafka", "tests.weaviate"]

settings.register_profile("quick", max_examples=30)
