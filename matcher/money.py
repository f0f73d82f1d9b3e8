"""Prices of many currencies on one scale: euros, by one dated table of exchange rates.

The table is fixed so that a price means the same to a bundle that was trained last year and to the matcher that runs it
today; what a feature needs is the order of magnitude, not the day's rate.
"""

import math

from matcher.arrays import F32Array
from matcher.events.offer import Offer, Price
from matcher.numbers import numeric_vector

#: The day of the rates: when the shops in WDC Products, the largest public set of its kind, were crawled.
RATES_DATE = "2020-09-30"
#: Units of the currency for one euro around `RATES_DATE`, to three or four digits: near the reference rates of the
#: European Central Bank where it publishes one, near the market's elsewhere. Approximate: a feature, no bookkeeping.
RATES = {
    "EUR": 1.0, "USD": 1.171, "JPY": 123.8, "BGN": 1.956, "CZK": 27.23, "DKK": 7.446, "GBP": 0.9124, "HUF": 365.5,
    "PLN": 4.546, "RON": 4.873, "SEK": 10.57, "CHF": 1.080, "ISK": 162.3, "NOK": 11.10, "HRK": 7.557, "RUB": 91.78,
    "TRY": 9.099, "AUD": 1.644, "BRL": 6.631, "CAD": 1.568, "CNY": 7.972, "HKD": 9.074, "IDR": 17_500, "ILS": 4.03,
    "INR": 86.3, "KRW": 1_369, "MXN": 26.18, "MYR": 4.865, "NZD": 1.779, "PHP": 56.8, "SGD": 1.604, "THB": 37.1,
    "ZAR": 19.7, "AED": 4.30, "AMD": 570, "ARS": 89, "BAM": 1.956, "BDT": 99, "BHD": 0.441, "BMD": 1.171, "CLP": 923,
    "COP": 4_530, "DZD": 151, "EGP": 18.5, "GEL": 3.84, "GHS": 6.75, "JOD": 0.830, "KES": 127, "KWD": 0.359,
    "KYD": 0.976, "KZT": 505, "LKR": 217, "MAD": 10.8, "MDL": 19.8, "MKD": 61.7, "MUR": 46.6, "NAD": 19.7, "NGN": 450,
    "NPR": 137.5, "OMR": 0.451, "PEN": 4.21, "PKR": 194, "QAR": 4.26, "RSD": 117.6, "SAR": 4.39, "TND": 3.24,
    "TWD": 33.9, "TZS": 2_715, "UAH": 33.1, "UGX": 4_350, "UYU": 49.8, "VND": 27_150, "XAF": 656, "XOF": 656,
    "ZMW": 23.5,
}  # fmt: skip


def euros(price: Price | None) -> float:
    """The amount in euros; NaN without a price, a currency or a rate: an amount of unknown money says nothing."""
    if price is None or price.currency is None:
        return math.nan
    return price.amount / RATES.get(price.currency, math.nan)


def numbers_of(offer: Offer) -> F32Array:
    """`f32[3]` = [n_sizes, log(n_sizes), log(price in euros)], NaN where missing, as training and matcher use them.

    The event on `offer-features` carries the price in the offer's own currency instead (see `numeric_vector`).
    """
    return numeric_vector(offer.n_sizes, euros(offer.price))
