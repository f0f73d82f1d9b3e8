"""The published JSON Schemas are those of the Structs, and accept what is published."""

from pathlib import Path

import jsonschema
import msgspec
import pytest

from matcher.events.schema import FOLDER, TOPICS, main, out_of_step, schema_of, write_schemas
from tests.golden.container import load, versions
from tests.golden.readers import READERS

DOCS = Path(__file__).parents[2] / FOLDER
JSON_TOPICS = ["offers", "matches", "needs-review", "verdicts"]


def validator(topic: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(msgspec.json.decode((DOCS / f"{topic}.json").read_bytes()))


def test_the_files_are_in_step_with_the_structs() -> None:
    assert out_of_step(DOCS) == [], "run `python -m matcher.events.schema`"


@pytest.mark.parametrize("topic", TOPICS)
def test_every_file_is_a_schema_of_2020_12_that_explains_itself(topic: str) -> None:
    schema = schema_of(topic)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]
    assert topic in schema["title"]
    for name, definition in schema["$defs"].items():
        assert definition["title"] == name
        assert definition["description"]


@pytest.mark.parametrize("topic", JSON_TOPICS)
def test_what_we_publish_is_accepted(topic: str) -> None:
    accepted = 0
    for version in versions():
        content = load(version / f"{topic}.json")
        for golden in content.records:
            record = golden.record(topic)
            if record.value is not None and dict(record.headers).get("ce_specversion"):
                validator(topic).validate(msgspec.json.decode(record.value))
                accepted += 1
    assert accepted >= 3


@pytest.mark.parametrize(
    ("topic", "change"),
    [
        ("offers", {"offer_id": None}),
        ("offers", {"offer_id": "x" * 257}),
        ("offers", {"price": "16.99"}),
        ("offers", {"price": {"amount": -1}}),
        ("offers", {"price": {"amount": 1, "currency": "euro"}}),
        ("offers", {"sizes": "S,M"}),
        ("offers", {"n_sizes": -1}),
        ("offers", {"image_urls": ["x"] * 65}),
        ("matches", {"outcome": "perhaps"}),
        ("matches", {"probability": 1.1}),
        ("matches", {"version": "3-1042"}),
        ("matches", {"cause": {"topic": "", "partition": 0, "offset": 0}}),
        ("matches", {"version": {"partition": 0, "offset": -1}}),
        ("needs-review", {"reason": "boredom"}),
        ("needs-review", {"candidates": [None]}),
        ("verdicts", {"votes": None}),
    ],
)
def test_what_we_would_not_publish_is_refused_and_read_so_too(topic: str, change: dict) -> None:
    value = next(r.record(topic).value for r in load(versions()[-1] / f"{topic}.json").records)
    broken = msgspec.json.decode(value or b"") | change
    assert list(validator(topic).iter_errors(broken))
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(broken), type=TOPICS[topic])


@pytest.mark.parametrize("topic", JSON_TOPICS)
def test_readers_and_schema_let_unknown_fields_of_later_versions_pass(topic: str) -> None:
    value = next(r.record(topic).value for r in load(versions()[-1] / f"{topic}.json").records)
    later = msgspec.json.decode(value or b"") | {"a_field_of_tomorrow": [1]}
    validator(topic).validate(later)
    assert msgspec.json.decode(msgspec.json.encode(later), type=TOPICS[topic]) == msgspec.json.decode(
        value or b"", type=TOPICS[topic]
    )


def test_the_command_writes_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "made"), "--check"]) == 1
    assert "offers.json is not in step" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
    assert main([str(tmp_path / "made")]) == 0
    assert main([str(tmp_path / "made"), "--check"]) == 0
    (tmp_path / "made" / "matches.json").write_text("{}")
    assert out_of_step(tmp_path / "made") == ["matches"]
    write_schemas(tmp_path / "made")
    assert out_of_step(tmp_path / "made") == []


def test_every_topic_but_dead_letters_has_a_schema() -> None:
    assert {*TOPICS, "dead-letters"} == READERS.keys()
