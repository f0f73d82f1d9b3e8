"""Every version of the events that was ever published can be read, and today's is written as it was frozen."""

from pathlib import Path
from typing import Any

import pytest

from tests.golden.container import GoldenFile, GoldenRecord, load, versions
from tests.golden.freeze import freeze
from tests.golden.inputs import written_today
from tests.golden.readers import READERS, read_as_data

FILES = [path for version in versions() for path in sorted(version.glob("*.json"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_golden_record_reads_as_it_did_when_it_was_frozen(path: Path) -> None:
    content = load(path)
    assert content.topic == path.stem
    for record in content.records:
        now = read_as_data(content.topic, record.record(content.topic))
        assert only_what_was_known(now, record.reads_as) == record.reads_as, record.name


def only_what_was_known(now: Any, then: Any) -> Any:
    """`now` less the fields that later versions added, which are empty where an old record is read."""
    if isinstance(now, dict) and isinstance(then, dict):
        return {
            name: only_what_was_known(value, then.get(name)) for name, value in now.items() if name in then or value
        }
    if isinstance(now, list) and isinstance(then, list) and len(now) == len(then):
        return [only_what_was_known(*pair) for pair in zip(now, then, strict=True)]
    return now


def as_written(content: GoldenFile) -> list[tuple[str, object, object, object]]:
    def blob(record: GoldenRecord) -> tuple[str, object, object, object]:
        raw = record.record(content.topic)
        return record.name, raw.key, raw.value, raw.headers

    return [blob(record) for record in content.records]


@pytest.mark.parametrize("topic", READERS)
def test_what_is_written_today_equals_the_newest_golden_bytes(topic: str) -> None:
    newest = load(versions()[-1] / f"{topic}.json")
    assert as_written(written_today()[topic]) == as_written(newest), (
        "the format changed. If that was meant, freeze it as a new version: see tests/golden/freeze.py"
    )


def test_every_version_covers_every_topic_and_the_first_one_every_outcome() -> None:
    for version in versions():
        assert {path.stem for path in version.glob("*.json")} >= READERS.keys()
    decisions = [record.reads_as["content"] for record in load(versions()[0] / "matches.json").records]
    outcomes = {content["decision"]["outcome"] for content in decisions if content is not None}
    assert outcomes == {"matched", "new_product", "needs_review", "reassigned"}
    assert None in decisions


def test_a_version_that_exists_is_never_written_again(tmp_path: Path) -> None:
    freeze(tmp_path / "v9")
    before = {path.name: path.read_bytes() for path in (tmp_path / "v9").iterdir()}
    assert before.keys() == {f"{topic}.json" for topic in READERS}
    with pytest.raises(FileExistsError):
        freeze(tmp_path / "v9")
    assert {path.name: path.read_bytes() for path in (tmp_path / "v9").iterdir()} == before
