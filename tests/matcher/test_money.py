"""Prices on one scale: euros, where the currency is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.events.offer import Offer, Price
from matcher.events.prices import CODES
from matcher.money import RATES, euros, numbers_of
from matcher.numbers import numeric_vector


def test_an_amount_is_divided_by_the_units_for_one_euro() -> None:
    assert euros(Price(amount=117.1, currency="USD")) == pytest.approx(100)
    assert euros(Price(amount=20, currency="EUR")) == 20


@pytest.mark.parametrize("price", [None, Price(amount=5), Price(amount=5, currency="ABC")])
def test_money_that_is_not_known_is_worth_nothing_that_is_known(price: Price | None) -> None:
    assert math.isnan(euros(price))
    assert np.isnan(numbers_of(Offer(offer_id="a", price=price))[2])


def test_a_free_offer_has_no_logarithm() -> None:
    assert np.isnan(numbers_of(Offer(offer_id="a", price=Price(amount=0, currency="EUR")))[2])


@given(st.sampled_from(sorted(RATES)), st.floats(0.01, 1e9), st.integers(1, 500))
def test_the_numbers_of_an_offer_do_not_depend_on_the_currency_it_is_priced_in(
    currency: str, amount: float, n_sizes: int
) -> None:
    priced = Price(amount=amount * RATES[currency], currency=currency)
    found = numbers_of(Offer(offer_id="a", price=priced, n_sizes=n_sizes))
    np.testing.assert_allclose(found, numeric_vector(n_sizes, amount), rtol=1e-6, atol=1e-6)
    assert found.dtype == np.float32


def test_rates_are_of_currencies_that_exist_and_plausible() -> None:
    # The kuna was replaced by the euro in 2023; offers from before are still about.
    assert set(RATES) - CODES == {"HRK"}
    assert all(0.3 < rate < 50_000 for rate in RATES.values())
