"""Offers are read as feeds send them: repaired where one meaning is left, refused with a documented reason else."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from matcher.events.dead_letter import REASONS
from matcher.events.offer import Offer, Price
from matcher.events.reading import Unreadable, read_key, read_offer


def read(**fields: Any) -> tuple[Offer, tuple[str, ...]]:
    return read_offer(None, json.dumps({"offer_id": "a", **fields}).encode())


def test_a_clean_offer_comes_back_without_repairs() -> None:
    offer = Offer(
        offer_id="shop:1",
        seller_id="shop",
        title="Polo shirt",
        brand="Acme",
        description="Piqué, 100 % cotton",
        price=Price(amount=16.99, currency="EUR"),
        sizes=("S", "M"),
        n_sizes=2,
        image_urls=("https://a.example/1.jpg", "data:image/png;base64,AAAA"),
        url="https://a.example/polo?x=1&amp;y=2",
        gtin="4006381333931",
        mpn="PS-1",
    )
    assert read_offer(b"shop:1", msgspec.json.encode(offer)) == (offer, ())


def test_an_offer_may_be_its_id_alone() -> None:
    assert read_offer(None, b'{"offer_id": "a"}') == (Offer(offer_id="a"), ())


def test_nulls_and_empty_texts_count_as_absent() -> None:
    empty = dict.fromkeys(("seller_id", "title", "brand", "description", "url", "gtin", "mpn"), "")
    nulls = dict.fromkeys(Offer.__struct_fields__[1:])
    assert read(**empty, price="", sizes=[], image_urls=[]) == (Offer(offer_id="a"), ())
    assert read(**nulls) == (Offer(offer_id="a"), ())


def test_fields_that_nobody_knows_are_ignored() -> None:
    assert read(colour="blue", _etl={"run": [1, 2]}, nested=[[[]]]) == (Offer(offer_id="a"), ())


@pytest.mark.parametrize(
    ("field", "raw", "expected", "noted"),
    [
        # cleaned without a note: nothing was lost
        ("title", "  Polo \n\t shirt ", "Polo shirt", False),
        ("title", "Tom &amp; Jerry&#39;s", "Tom & Jerry's", False),
        ("title", "so\u00adft\u200b hyphen\ufeff", "soft hyphen", False),
        ("title", "a\x00b\x1fc\x85d", "a b c d", False),
        ("url", "https://a.example/?a=1&amp=2", "https://a.example/?a=1&amp=2", False),
        ("brand", "   ", None, False),
        # other types
        ("title", 501, "501", True),
        ("title", 5.5, "5.5", True),
        ("gtin", 4006381333931, "4006381333931", True),
        ("gtin", 4006381333931.0, "4006381333931", True),
        ("mpn", True, None, True),
        ("brand", ["Acme"], None, True),
        ("brand", {"name": "Acme"}, None, True),
        ("title", 10**400, None, True),
        # too long: prose is cut, an identifier dropped, since half of one identifies nothing
        ("title", "x" * 2_001, "x" * 2_000, True),
        ("title", "x" * 1_999 + " yz", "x" * 1_999, True),
        ("brand", "x" * 257, "x" * 256, True),
        ("description", "x" * 20_001, "x" * 20_000, True),
        ("seller_id", "x" * 257, None, True),
        ("gtin", "1" * 65, None, True),
        ("mpn", "x" * 257, None, True),
        ("url", "https://" + "x" * 2_048, None, True),
        # prices
        ("price", {"amount": 5, "currency": "EUR"}, Price(amount=5.0, currency="EUR"), False),
        ("price", {"amount": 5}, Price(amount=5.0), False),
        ("price", {"amount": 5, "currency": "eur"}, Price(amount=5.0, currency="EUR"), True),
        ("price", {"amount": 5, "currency": "bottle caps"}, Price(amount=5.0), True),
        ("price", {"amount": "5,50", "currency": "EUR"}, Price(amount=5.5, currency="EUR"), True),
        ("price", {"amount": -5}, None, True),
        ("price", 5.5, Price(amount=5.5), True),
        ("price", "$16.99", Price(amount=16.99, currency="USD"), True),
        ("price", "on request", None, True),
        ("price", [5], None, True),
        ("price", False, None, True),
        # sizes
        ("sizes", ["S", "M"], ("S", "M"), False),
        ("sizes", [" S ", "M"], ("S", "M"), False),
        ("sizes", "S, M, L", ("S", "M", "L"), True),
        ("sizes", "S|M|L", ("S", "M", "L"), True),
        ("sizes", "38,5; 39", ("38,5", "39"), True),
        ("sizes", {"S": 3, "M": 0}, ("S", "M"), True),
        ("sizes", [38, 39.5, 40.0], ("38", "39.5", "40"), True),
        ("sizes", ["S", "S", None, "", True, ["M"]], ("S",), True),
        ("sizes", ["x" * 65], ("x" * 64,), True),
        ("sizes", [str(n) for n in range(501)], tuple(str(n) for n in range(500)), True),
        ("sizes", 5, (), True),
        # how many sizes
        ("n_sizes", 5, 5, False),
        ("n_sizes", 0, 0, False),
        ("n_sizes", 5.0, 5, False),
        ("n_sizes", " 5 ", 5, True),
        ("n_sizes", 2.5, None, True),
        ("n_sizes", -1, None, True),
        ("n_sizes", 1_000_001, None, True),
        ("n_sizes", 10**400, None, True),
        ("n_sizes", "many", None, True),
        ("n_sizes", True, None, True),
        ("n_sizes", [5], None, True),
        # photos
        ("image_urls", ["https://a/1.jpg"], ("https://a/1.jpg",), False),
        ("image_urls", "https://a/1.jpg", ("https://a/1.jpg",), True),
        ("image_urls", "https://a/1,2.jpg|https://a/3.jpg", ("https://a/1,2.jpg", "https://a/3.jpg"), True),
        ("image_urls", "data:image/png;base64,A|B", ("data:image/png;base64,A|B",), True),
        ("image_urls", ["https://a/1.jpg", "https://a/1.jpg", None, "", 5], ("https://a/1.jpg",), True),
        ("image_urls", ["https://" + "x" * 2_048], (), True),
        ("image_urls", ["data:" + "A" * 1_000_000], (), True),
        ("image_urls", [f"https://a/{n}" for n in range(65)], tuple(f"https://a/{n}" for n in range(64)), True),
        ("image_urls", {"main": "https://a/1.jpg"}, (), True),
    ],
)
def test_each_field_is_repaired_as_documented(field: str, raw: Any, expected: Any, noted: bool) -> None:
    offer, repairs = read(**{field: raw})
    assert getattr(offer, field) == expected
    assert repairs == ((field,) if noted else ())


def test_the_currency_may_stand_beside_the_price() -> None:
    assert read(price=5.5, currency="EUR")[0].price == Price(amount=5.5, currency="EUR")
    assert read(price="5,50", currency="€")[0].price == Price(amount=5.5, currency="EUR")


def test_sizes_are_counted_and_win_over_a_count_that_contradicts_them() -> None:
    assert read(sizes=["S", "M"]) == (Offer(offer_id="a", sizes=("S", "M"), n_sizes=2), ())
    assert read(sizes=["S", "M"], n_sizes=2)[1] == ()
    offer, repairs = read(sizes=["S", "M"], n_sizes=7)
    assert (offer.n_sizes, repairs) == (2, ("n_sizes",))


def test_an_offer_id_may_be_a_number_or_stand_in_the_key_alone() -> None:
    assert read_offer(b"17", b'{"offer_id": 17}') == (Offer(offer_id="17"), ("offer_id",))
    assert read_offer(b"17", b'{"title": "x"}') == (Offer(offer_id="17", title="x"), ("offer_id",))
    assert read_offer(b"", b'{"offer_id": "17"}') == (Offer(offer_id="17"), ())


@pytest.mark.parametrize(
    ("value", "noted"),
    [
        (b'\xef\xbb\xbf{"offer_id": "a", "title": "x"}', ()),
        (b'{"offer_id": "b", "offer_id": "a", "title": "y", "title": "x"}', ()),
        (b'{"offer_id": "a", "title": "x", "price": NaN, "n_sizes": -Infinity}', ("nan_literal",)),
        (b'{"offer_id": "a", "title": "x\\ud800"}', ("json",)),
        (b'{"offer_id": "a", "title": "x\xed\xa0\x80"}', ("json",)),
        ('{"offer_id": "a", "title": "x"}'.encode("utf-16"), ("json",)),
        (b'{"offer_id": "a", "title": "x", "price": 1e999}', ("json", "price")),
    ],
)
def test_json_that_only_lenient_readers_take_is_read_and_noted(value: bytes, noted: tuple[str, ...]) -> None:
    assert read_offer(None, value) == (Offer(offer_id="a", title="x"), noted)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (None, b"", "not_json"),
        (None, b"offer", "not_json"),
        (None, b"{'offer_id': 'a'}", "not_json"),
        (None, b'{"offer_id": "a"', "not_json"),
        (None, b'{"offer_id": "a"} trailing', "not_json"),
        (None, b'{"offer_id": "\xff"}', "not_json"),
        (None, b"\x89PNG\r\n\x1a\n", "not_json"),
        (None, b'{"offer_id": "a", "n_sizes": ' + b"9" * 5_000 + b"}", "not_json"),
        (None, b'{"offer_id": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not_json"),
        (None, b"null", "not_an_object"),
        (None, b"[]", "not_an_object"),
        (None, b'"a"', "not_an_object"),
        (None, b"17", "not_an_object"),
        (None, b"NaN", "not_an_object"),
        (None, b"{}", "no_offer_id"),
        (b"", b"{}", "no_offer_id"),
        (None, b'{"offer_id": null}', "no_offer_id"),
        (None, b'{"offer_id": ""}', "bad_offer_id"),
        (None, b'{"offer_id": true}', "bad_offer_id"),
        (None, b'{"offer_id": 1.5}', "bad_offer_id"),
        (None, b'{"offer_id": ["a"]}', "bad_offer_id"),
        (None, b'{"offer_id": "a\\nb"}', "bad_offer_id"),
        (None, b'{"offer_id": "\\ud800"}', "bad_offer_id"),
        (None, b'{"offer_id": "' + b"x" * 257 + b'"}', "bad_offer_id"),
        (None, b'{"offer_id": ' + b"9" * 300 + b"}", "bad_offer_id"),
        (b"\xff", b'{"offer_id": "a"}', "bad_offer_id"),
        (b"a\x00", b"{}", "bad_offer_id"),
        (b"x" * 257, b"{}", "bad_offer_id"),
        (b"b", b'{"offer_id": "a"}', "key_mismatch"),
        (b"18", b'{"offer_id": 17}', "key_mismatch"),
    ],
)
def test_what_is_no_offer_is_refused_with_its_reason(key: bytes | None, value: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match="expected") as refused:
        read_offer(key, value)
    assert refused.value.reason == reason
    assert reason in REASONS["encoder"]


def test_a_character_reference_of_thousands_of_digits_stays_as_it_is() -> None:
    title = "&#" + "9" * 5_000 + ";"
    assert read(description=title)[0].description == title


def test_nesting_that_json_allows_does_not_reach_any_recursion_of_ours() -> None:
    value = b'{"offer_id": "a", "price": ' + b'{"amount": ' * 900 + b"1" + b"}" * 900 + b"}"
    check_what_is_read(None, value)


@pytest.mark.parametrize(
    ("key", "reason"),
    [(None, "no_offer_id"), (b"", "no_offer_id"), (b"\xff", "bad_offer_id"), (b"\x00", "bad_offer_id")],
)
def test_a_null_needs_a_key_that_names_the_offer(key: bytes | None, reason: str) -> None:
    with pytest.raises(Unreadable, match="expected") as refused:
        read_key(key)
    assert refused.value.reason == reason
    assert read_key("ä b".encode()) == "ä b"


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
SPECIAL = st.sampled_from(["1e999", "NaN", "&#x26;amp;", "\ud800", "\u0000", "a|b", "data:|x", "12,5 €", "\ufeff"])
SCALAR = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(10**400), 10**400), st.floats(), ANY_TEXT, SPECIAL
)
ANY_JSON = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4), max_leaves=10
)
FIELDS = st.sampled_from([*Offer.__struct_fields__, "currency", "unknown"])
OFFERISH = st.dictionaries(FIELDS, ANY_JSON, max_size=8)


def check_what_is_read(key: bytes | None, value: bytes) -> None:
    """Only `Unreadable` is raised; what is read passes its own definition, and reading it again changes nothing."""
    try:
        offer, repairs = read_offer(key, value)
    except Unreadable as error:
        refused = error
    else:
        check_offer(offer, repairs)
        return
    assert refused.reason in REASONS["encoder"]
    assert str(refused).startswith("expected")


def check_offer(offer: Offer, repairs: tuple[str, ...]) -> None:
    written = msgspec.json.encode(offer)
    assert msgspec.json.decode(written, type=Offer) == offer
    assert len(repairs) == len(set(repairs))
    assert offer.price is None or math.isfinite(offer.price.amount)
    if b"&" not in written:  # entities that were escaped twice are resolved once a reading
        assert read_offer(offer.offer_id.encode(), written) == (offer, ())


@given(ANY_JSON, st.none() | st.binary(max_size=8))
@example(json.loads("[" * 200 + "]" * 200), None)
def test_any_json_is_read_or_refused(value: Any, key: bytes | None) -> None:
    check_what_is_read(key, json.dumps(value).encode())


@given(OFFERISH, st.booleans(), st.booleans())
@example({"price": {"amount": "1" * 5000}}, True, True)
@example({"n_sizes": 10**400, "sizes": [10**400], "title": 10**400}, True, True)
def test_any_object_with_the_fields_of_an_offer_is_read_or_refused(
    fields: dict[str, Any], named: bool, escaped: bool
) -> None:
    text = json.dumps({"offer_id": "a", **fields} if named else fields, ensure_ascii=escaped)
    check_what_is_read(None if named else b"key", text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda b: b'{"offer_id":"a","title":"' + b + b'"}'))
def test_any_bytes_are_read_or_refused(value: bytes) -> None:
    check_what_is_read(None, value)
