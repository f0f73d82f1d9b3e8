"""Pipelines for the tests of this folder: one for each test that harms its processes, one for all that only watch."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.harness import Pipeline


@pytest.fixture
def make_pipeline(kafka: str, tmp_path: Path) -> Iterator[Callable[..., Pipeline]]:
    """Makes a pipeline without processes; ends all of its processes after the test."""
    made: list[Pipeline] = []

    def make(bootstrap: str = kafka, **sections: Any) -> Pipeline:
        folder = tmp_path / f"pipeline-{len(made)}"
        folder.mkdir()
        made.append(Pipeline(bootstrap, folder, **sections))
        return made[-1]

    yield make
    for pipeline in made:
        pipeline.close()


@pytest.fixture(scope="module")
def running(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A pipeline whose encoder and matcher are ready, shared by the tests of a module."""
    pipeline = Pipeline(kafka, tmp_path_factory.mktemp("pipeline"))
    try:
        encoder, matcher = pipeline.encoder(), pipeline.matcher()
        encoder.ready()
        matcher.ready()
        yield pipeline
    finally:
        pipeline.close()
