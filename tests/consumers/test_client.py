"""From librdkafka's messages to records: whatever producers out there may have put into them."""

from types import SimpleNamespace
from typing import Any

from consumers.client import consumer_config, record_of
from matcher.settings import Kafka


def message(headers: Any = None, timestamp: int = 1_000, **fields: Any) -> Any:
    def raise_or_return() -> Any:
        if isinstance(headers, Exception):
            raise headers
        return headers

    values = {"topic": "offers", "partition": 3, "offset": 42, "key": b"k", "value": b"v"} | fields
    return SimpleNamespace(
        headers=raise_or_return,
        timestamp=lambda: (1, timestamp),
        **{name: lambda value=value: value for name, value in values.items()},
    )


def test_a_record_is_what_the_message_says():
    record = record_of(message(headers=[("ce_id", b"1"), ("ce_id", b"2")]))
    assert (str(record.place), record.key, record.value, record.timestamp_ms) == ("offers/3/42", b"k", b"v", 1_000)
    assert record.headers == (("ce_id", b"1"), ("ce_id", b"2"))


def test_null_and_empty_are_told_apart():
    assert record_of(message(value=None)).value is None
    assert record_of(message(value=b"")).value == b""
    assert record_of(message(key=None)).key is None
    assert record_of(message(key=b"")).key == b""


def test_a_header_name_that_is_no_utf8_costs_the_headers_and_not_the_process():
    """confluent_kafka raises on all headers of such a record, and would do so again after every restart."""
    broken = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    assert record_of(message(headers=broken)).headers == ()


def test_headers_without_a_value_and_times_that_are_none_are_read():
    record = record_of(message(headers=[("traceparent", None)], timestamp=-1))
    assert record.headers == (("traceparent", b""),)
    assert record.timestamp_ms == 0


def test_properties_of_the_settings_win():
    config = consumer_config(Kafka(properties={"fetch.wait.max.ms": "7"}), "group", log_level=0)
    assert (config["fetch.wait.max.ms"], config["log_level"], config["group.id"]) == ("7", 0, "group")
