"""The page about the settings says what the settings are."""

from matcher.settings_page import PAGE, page


def test_the_page_is_in_step_with_the_structs() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make schemas`"


def test_every_setting_stands_on_the_page_with_its_variable() -> None:
    text = page()
    assert "`OFFERMATCH_MATCHER_BATCH_SIZE`" in text
    assert "`KAFKA_BOOTSTRAP`" in text
    assert "whole number from 1 to 10,000" in text
