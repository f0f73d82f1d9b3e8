"""The text and the numbers of an offer, as encoders and projections get them."""

import math
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.numbers import NUMERIC_DIM, numeric_vector
from matcher.text import MAX_CHARS, clean_text, offer_text


@pytest.mark.parametrize(
    ("brand", "title", "expected"),
    [
        ("Nike", "Air Max 90", "Nike Air Max 90"),
        ("Nike", "Nike Air Max 90", "Nike Air Max 90"),
        ("NIKE", "nike® Air Max", "nike® Air Max"),
        ("Nike", "Nikecourt Zoom", "Nike Nikecourt Zoom"),
        ("Nike", "Air Max by Nike", "Nike Air Max by Nike"),
        ("Nike", "Nike", "Nike"),
        ("Nike", None, "Nike"),
        (None, "Air Max", "Air Max"),
        ("", "  ", ""),
        (None, None, ""),
        ("Marks &amp; Spencer", "Marks & Spencer Hemd", "Marks & Spencer Hemd"),
    ],
)
def test_the_brand_stands_first_once(brand: str | None, title: str | None, expected: str) -> None:
    assert offer_text(brand, title) == expected


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Ｎｉｋｅ\u3000Ａｉｒ", "Nike Air"),
        ("caf\u0065\u0301", "café"),
        ("a&amp;amp;b &eacute; &#39;x&#39;", "a&b é 'x'"),
        (" a\t\n b\x00c\x85d ", "a b c d"),
        ("zero\u200bwidth \ufeffmark \u202eright", "zerowidth mark right"),
        ("half a pair \ud83d of surrogates", "half a pair of surrogates"),
        ("١٢ кроссовки 鞋", "١٢ кроссовки 鞋"),
    ],
)
def test_text_is_cleaned_lightly(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


@given(st.none() | st.text(), st.none() | st.text(st.characters(), max_size=2000))
def test_offer_text_is_one_bounded_line_that_utf8_can_hold(brand: str | None, title: str | None) -> None:
    text = offer_text(brand, title)
    text.encode("utf-8")
    assert len(text) <= MAX_CHARS
    assert text == " ".join(text.split())
    assert not any(unicodedata.category(c).startswith("C") for c in text)


def test_a_text_of_any_length_costs_little() -> None:
    assert len(offer_text("\ufdfa" * 1_000_000, "x " * 1_000_000)) <= MAX_CHARS


def test_numbers_are_sizes_and_logarithms() -> None:
    vector = numeric_vector(4, 20.0)
    assert vector.dtype == np.float32
    assert vector == pytest.approx([4, math.log(4), math.log(20)])
    assert numeric_vector(1, 1.0) == pytest.approx([1, 0, 0])


@given(st.none() | st.integers(-5, 10**9), st.none() | st.floats())
def test_what_is_missing_or_makes_no_sense_is_nan(sizes: int | None, price: float | None) -> None:
    vector = numeric_vector(sizes, price)
    has_sizes = sizes is not None and sizes > 0
    has_price = price is not None and math.isfinite(price) and price > 0
    assert vector.shape == (NUMERIC_DIM,)
    assert list(np.isfinite(vector)) == [has_sizes, has_sizes, has_price]
