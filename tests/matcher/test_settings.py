"""Settings: a file, then the environment; every mistake is named together with what would be accepted."""

from pathlib import Path

import msgspec
import pytest

from matcher.settings import Settings, SettingsError, load_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "offermatch.toml"
    path.write_text(
        """
        [kafka]
        bootstrap = "file:9092"
        session_timeout = 30
        [kafka.properties]
        "security.protocol" = "SSL"
        [matcher]
        batch_size = 10
        """
    )
    return path


def test_nothing_has_to_be_set() -> None:
    assert load_settings(environ={}) == Settings()


def test_a_file_sets_what_it_names_and_leaves_the_rest(file: Path) -> None:
    settings = load_settings(file, {})
    assert settings.kafka.bootstrap == "file:9092"
    assert settings.kafka.session_timeout == 30.0
    assert settings.kafka.properties == {"security.protocol": "SSL"}
    assert settings.matcher.batch_size == 10
    assert settings.encoder == Settings().encoder


def test_the_file_may_be_named_in_the_environment(file: Path) -> None:
    assert load_settings(environ={"OFFERMATCH_CONFIG": str(file)}).matcher.batch_size == 10


def test_the_environment_wins_over_the_file(file: Path) -> None:
    environ = {
        "OFFERMATCH_MATCHER_BATCH_SIZE": "20",
        "OFFERMATCH_PROCESS_DRAIN": "1.5",
        "OFFERMATCH_ENCODER_SEED": "7",
        "OFFERMATCH_KAFKA_PROPERTIES": '{"client.id": "x"}',
        "OFFERMATCH_PROCESS_LOG_LEVEL": "DEBUG",
    }
    settings = load_settings(file, environ)
    assert settings.matcher.batch_size == 20
    assert settings.process.drain == 1.5
    assert settings.encoder.seed == 7
    assert settings.kafka.properties == {"client.id": "x"}
    assert settings.process.log_level == "DEBUG"
    assert settings.kafka.bootstrap == "file:9092"


def test_an_empty_variable_sets_nothing(file: Path) -> None:
    assert load_settings(file, {"OFFERMATCH_MATCHER_BATCH_SIZE": ""}).matcher.batch_size == 10


def test_the_usual_name_of_the_cluster_works_and_ours_wins(file: Path) -> None:
    assert load_settings(file, {"KAFKA_BOOTSTRAP": "alias:9092"}).kafka.bootstrap == "alias:9092"
    both = {"KAFKA_BOOTSTRAP": "alias:9092", "OFFERMATCH_KAFKA_BOOTSTRAP": "ours:9092"}
    assert load_settings(file, both).kafka.bootstrap == "ours:9092"


def test_a_prefix_goes_before_every_topic() -> None:
    topics = load_settings(environ={"OFFERMATCH_TOPICS_PREFIX": "eu.", "OFFERMATCH_TOPICS_OFFERS": "feed"}).topics
    assert (topics.offers, topics.features, topics.matches) == ("eu.feed", "eu.offer-features", "eu.matches")
    assert (topics.needs_review, topics.verdicts, topics.dead_letters) == (
        "eu.needs-review", "eu.verdicts", "eu.dead-letters",
    )  # fmt: skip


def test_variables_of_others_and_our_cache_folder_are_left_alone() -> None:
    assert load_settings(environ={"PATH": "/bin", "OFFERMATCHER": "1", "OFFERMATCH_CACHE": "/tmp"}) == Settings()


def test_settings_cannot_change() -> None:
    with pytest.raises(AttributeError):
        Settings().matcher.batch_size = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("variable", "value", "accepted"),
    [
        ("OFFERMATCH_MATCHER_BATCH_SIZE", "many", "expected a whole number, got 'many'"),
        ("OFFERMATCH_MATCHER_BATCH_SIZE", "1.5", "expected a whole number, got '1.5'"),
        ("OFFERMATCH_MATCHER_BATCH_SIZE", "9" * 5_000, "expected a whole number"),
        ("OFFERMATCH_MATCHER_BATCH_SIZE", "0", "expected `int` >= 1, got 0"),
        ("OFFERMATCH_MATCHER_BATCH_SIZE", "10001", "expected `int` <= 10000, got 10001"),
        ("OFFERMATCH_MATCHER_EXPIRE_AFTER", "30 days", "expected a number, got '30 days'"),
        ("OFFERMATCH_MATCHER_EXPIRE_AFTER", "-1", "expected `float` >= 0"),
        ("OFFERMATCH_MATCHER_EXPIRE_AFTER", "30", r"expected 0 \(never\), or seconds from 3,600 on, got 30"),
        ("OFFERMATCH_ENCODER_SEED", "-1", "expected `int` >= 0, got -1"),
        ("OFFERMATCH_ENCODER_SEED", "x", "expected a whole number"),
        ("OFFERMATCH_PROCESS_DRAIN", "soon", "expected a number, got 'soon'"),
        ("OFFERMATCH_PROCESS_DRAIN", "0", "expected `float` > 0"),
        ("OFFERMATCH_PROCESS_DRAIN", "nan", "expected `float` > 0"),
        ("OFFERMATCH_PROCESS_DRAIN", "inf", "expected `float` <= 86400"),
        ("OFFERMATCH_KAFKA_TRANSACTION_TIMEOUT", "11", "expected `float` <= 10"),
        ("OFFERMATCH_ENCODER_PRECISION", "fp8", r"auto\|fp32\|bf16"),
        ("OFFERMATCH_PROCESS_LOG_LEVEL", "LOUD", r"DEBUG\|INFO\|WARNING\|ERROR"),
        ("OFFERMATCH_TOPICS_OFFERS", "two words", "expected `str` matching regex"),
        ("OFFERMATCH_TOPICS_PREFIX", "a/b", "expected `str` matching regex"),
        ("OFFERMATCH_ENCODER_HTTP_PORT", "70000", "expected `int` <= 65535"),
        ("OFFERMATCH_KAFKA_PROPERTIES", "SSL", "expected a JSON object of texts"),
        ("OFFERMATCH_KAFKA_PROPERTIES", '{"linger.ms": 5}', "expected a JSON object of texts"),
    ],
)
def test_a_wrong_value_names_its_variable_and_what_is_accepted(variable: str, value: str, accepted: str) -> None:
    with pytest.raises(SettingsError, match=accepted) as refused:
        load_settings(environ={variable: value})
    assert str(refused.value).startswith(f"{variable}: ")


def test_what_may_hold_a_password_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(environ={"OFFERMATCH_KAFKA_PROPERTIES": '{"sasl.password": "hunter2"'})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("OFFERMATCH_MATCHER_BATCHSIZE", "there are OFFERMATCH_MATCHER_BUNDLE"),
        ("OFFERMATCH_BATCH_SIZE", "they begin with OFFERMATCH_KAFKA_, OFFERMATCH_TOPICS_"),
    ],
)
def test_a_misspelt_variable_is_an_error_that_lists_the_right_ones(variable: str, said: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable}: no such setting; {said}"):
        load_settings(environ={variable: "1"})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[matcher]\nbatch_size = 0", r"\[matcher\] batch_size: expected `int` >= 1, got 0"),
        ('[matcher]\nbatch_size = "10"', r"\[matcher\] batch_size: expected `int`, got `str`, got '10'"),
        (
            "[matcher]\nexpire_after = 3_599",
            r"\[matcher\] expire_after: expected 0 \(never\), or seconds from 3,600 on",
        ),
        ("[matcher]\nbatch = 5", r"\[matcher\] batch: no such setting; \[matcher\] has batch_size, bundle"),
        ("[match]\nbatch_size = 5", r"\[match\]: no such section; there are kafka, topics"),
        ("matcher = 5", r"matcher: expected a table, like \[matcher\], got 5"),
        ("[kafka.properties]\na = 1", r"\[kafka\] properties: expected `str`"),
        ("[matcher", "expected TOML in UTF-8"),
        ("\xff", "expected TOML in UTF-8"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "o.toml"
    path.write_bytes(content.encode("latin-1"))
    for environ in ({}, {"OFFERMATCH_MATCHER_BUNDLE": "x"}):
        with pytest.raises(SettingsError, match=said) as refused:
            load_settings(path, environ)
        assert str(refused.value).startswith(str(path))


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="expected a readable TOML file"):
        load_settings(tmp_path / "nowhere.toml", {})
    with pytest.raises(SettingsError, match="expected a readable TOML file"):
        load_settings(environ={"OFFERMATCH_CONFIG": str(tmp_path)})


def test_every_setting_has_a_variable_and_its_own_default_is_accepted_there() -> None:
    for section, fields in msgspec.to_builtins(Settings()).items():
        for field, value in fields.items():
            text = msgspec.json.encode(value).decode() if isinstance(value, dict) else str(value)
            if value is not None:
                variable = f"OFFERMATCH_{section}_{field}".upper()
                assert load_settings(environ={variable: text}) == Settings(), variable
