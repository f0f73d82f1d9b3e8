"""Prices are read as people in shops mean them, and what has no single meaning is no price."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.events.offer import Price
from matcher.events.prices import CODES, read_price

AMOUNTS = [
    # as the issue names them
    ("$16.99", 16.99, "USD"),
    ("5.1499E2", 514.99, None),
    ("21990 PHP", 21990, "PHP"),
    ("1.299,00 €", 1299, "EUR"),
    # signs and codes on either side, with and without a space
    ("£1,299.50", 1299.5, "GBP"),
    ("USD 19.99", 19.99, "USD"),
    ("USD19.99", 19.99, "USD"),
    ("19.99USD", 19.99, "USD"),
    ("19,99EUR", 19.99, "EUR"),
    ("EUR19,99", 19.99, "EUR"),
    ("12 €", 12, "EUR"),
    ("zł 12,00", 12, "PLN"),
    ("1 299,00 zł", 1299, "PLN"),
    ("AED 55", 55, "AED"),
    ("12 990 Ft", 12990, "HUF"),
    ("12.990 Ft", 12990, "HUF"),
    ("499 Kč", 499, "CZK"),
    ("12,50 euro", 12.5, "EUR"),
    ("12.99 kr", 12.99, None),
    ("R 199.99", 199.99, None),
    ("￥100", 100, "JPY"),
    ("¥12,800", 12800, "JPY"),
    ("₩ 45,000", 45000, "KRW"),
    ("Rp 150.000", 150000, "IDR"),
    ("₫ 1.200.000", 1_200_000, "VND"),
    ("1.299,90 TL", 1299.9, None),
    # dollars of several countries, as marketplaces write them
    ("US $19.99", 19.99, "USD"),
    ("AU $19.99", 19.99, "AUD"),
    ("C $12.00", 12, "CAD"),
    ("HK$ 250", 250, "HKD"),
    ("R$ 1.234,56", 1234.56, "BRL"),
    # groups: Indian, Swiss, French, Arabic digits and separators
    ("₹1,23,456.78", 123456.78, "INR"),
    ("Rs. 1,499", 1499, "INR"),
    ("1'299.00 CHF", 1299, "CHF"),
    ("1’299.50", 1299.5, None),
    ("1\u202f299,50", 1299.5, None),
    ("$\u00a01\u00a0200", 1200, "USD"),
    ("١٢٣", 123, None),
    ("٣٫٥٠", 3.5, None),
    ("1.234.567,89", 1234567.89, None),
    # three digits behind the only separator: a thousand, unless the number or the currency says otherwise
    ("1.299", 1299, None),
    ("1,299", 1299, None),
    ("12.345", 12345, None),
    ("1234.567", 1234.567, None),
    ("0.299", 0.299, None),
    ("67.0000", 67, None),
    ("1,5", 1.5, None),
    ("KWD 1.250", 1.25, "KWD"),
    ("12.500 OMR", 12.5, "OMR"),
    # exponents
    ("1e3", 1000, None),
    ("$5.1499E2", 514.99, "USD"),
    ("2.5e+1 EUR", 25, "EUR"),
    # decorations
    ("CHF 10.–", 10, "CHF"),
    ("10,-", 10, None),
    ("1.299,-", 1299, None),
    ("35€99", 35.99, "EUR"),
    ("from $10", 10, "USD"),
    ("ca. 12 €", 12, "EUR"),
    ("$16.99/ea", 16.99, "USD"),
    ("RRP 12.99", 12.99, None),
    ("NEU 12 €", 12, "EUR"),
    ("$1,299 $999", 1299, "USD"),
    (" 5 ", 5, None),
    ("+5", 5, None),
    (".75", 0.75, None),
    ("$.75", 0.75, "USD"),
    ("$0.00", 0, "USD"),
    ("-0", 0, None),
]

NO_PRICE = [
    "", "  ", "USD", "free", "on request", "n/a", "NaN", "inf", "-Infinity", "1e400", "9" * 50, "9" * 101,
    "-5", "$-5", "-$5", "− 5 €", "10-20", "10 – 20 €", "£10 – £20", "$5 to $10", "10 bis 20", "3 for $10",
    "50%", "50% off", "..", "1.2.3",
]  # fmt: skip


@pytest.mark.parametrize(("text", "amount", "currency"), AMOUNTS)
def test_a_price_is_read_as_shops_mean_it(text: str, amount: float, currency: str | None) -> None:
    assert read_price(text) == Price(amount=amount, currency=currency)


@pytest.mark.parametrize("text", NO_PRICE)
def test_what_has_no_single_amount_is_no_price(text: str) -> None:
    assert read_price(text) is None


@pytest.mark.parametrize(
    ("raw", "currency", "expected"),
    [
        (16.99, "EUR", Price(amount=16.99, currency="EUR")),
        (0, None, Price(amount=0.0)),
        ("16,99", "€", Price(amount=16.99, currency="EUR")),
        ("$16.99", "CAD", Price(amount=16.99, currency="CAD")),
        ("16.99", " usd ", Price(amount=16.99, currency="USD")),
        ("16.99", "dollars", Price(amount=16.99)),
        ("16.99", 840, Price(amount=16.99)),
        ({"amount": 5, "currency": "EUR"}, None, Price(amount=5.0, currency="EUR")),
        ({"amount": "5,00", "currency": "lei"}, None, Price(amount=5.0, currency="RON")),
        ({"value": 5}, "EUR", Price(amount=5.0, currency="EUR")),
        ({}, "EUR", None),
        ({"amount": {"amount": 5}}, "EUR", None),
        (None, "EUR", None),
        (True, "EUR", None),
        ([5], "EUR", None),
        (math.nan, "EUR", None),
        (math.inf, None, None),
        (-0.01, None, None),
        (10**400, None, None),
        (1e12, None, Price(amount=1e12)),
        (1.1e12, None, None),
    ],
)
def test_numbers_objects_and_the_currency_beside_them(raw: object, currency: object, expected: Price | None) -> None:
    assert read_price(raw, currency) == expected


def test_an_amount_that_is_zero_is_never_negative_zero() -> None:
    price = read_price("-0.0")
    assert price is not None
    assert math.copysign(1, price.amount) == 1


SNIPPETS = st.text(st.sampled_from("0123456789.,'’ -–eE$€£%:/+\u00a0١٫٬²½kKrRUSDtofor"), max_size=30)


@given(
    st.one_of(st.text(max_size=120), SNIPPETS, st.floats(), st.integers(), st.booleans(), st.none()),
    st.one_of(st.none(), st.text(max_size=5), st.integers()),
)
def test_any_price_is_finite_and_not_negative_or_none(raw: object, currency: object) -> None:
    price = read_price(raw, currency)
    assert price is None or (math.isfinite(price.amount) and 0 <= price.amount <= 1e12)
    assert price is None or price.currency is None or (len(price.currency) == 3 and price.currency.isupper())


STYLES = {
    "plain": ("", "."),
    "English": (",", "."),
    "German": (".", ","),
    "Swiss": ("'", "."),
    "Swiss, typographic": ("’", "."),
    "French": ("\u202f", ","),
    "Polish": ("\u00a0", ","),
    "no groups": ("", ","),
}


@given(
    cents=st.integers(0, 10**11),
    style=st.sampled_from(sorted(STYLES)),
    code=st.sampled_from(sorted(CODES)),
    place=st.sampled_from(["{} {}", "{}{}"]),
    code_first=st.booleans(),
)
def test_two_decimals_come_back_from_every_locale(
    cents: int, style: str, code: str, place: str, code_first: bool
) -> None:
    group, point = STYLES[style]
    number = f"{cents // 100:,}".replace(",", group) + f"{point}{cents % 100:02d}"
    text = place.format(code, number) if code_first else place.format(number, code)
    assert read_price(text) == Price(amount=cents / 100, currency=code)
    assert read_price(number) == Price(amount=cents / 100)


@given(st.floats(0, 1e12), st.sampled_from(["{!r}", "{:.6e}", "{:.3E}", "{:.6f}"]))
def test_numbers_as_programs_print_them_keep_their_value(amount: float, how: str) -> None:
    text = how.format(amount)
    price = read_price(text)
    assert price is not None
    grouped = text.count(".") == 1 and len(text.partition(".")[2]) == 3 and 1 <= amount < 1000
    assert grouped or price.amount == min(float(text), 1e12)
