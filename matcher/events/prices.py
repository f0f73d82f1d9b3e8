"""Prices as feeds write them: `$16.99`, `5.1499E2`, `21990 PHP`, `1.299,00 €`, `{"amount": 5, "currency": "EUR"}`."""

import math
import re
from typing import Any

import price_parser

from matcher.events.offer import Price

#: What the currency signs mean where the feed gives no code. `kr` and the bare `R` stay open: many countries use them.
SYMBOLS = {
    "$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "Rs": "INR", "Rs.": "INR",
    "₽": "RUB", "zł": "PLN", "Kč": "CZK", "Ft": "HUF", "₦": "NGN", "lei": "RON", "лв": "BGN", "RM": "MYR", "Rp": "IDR",
    "฿": "THB", "₺": "TRY", "₴": "UAH", "₱": "PHP", "₩": "KRW", "₫": "VND", "₪": "ILS", "R$": "BRL", "A$": "AUD",
    "AU$": "AUD", "C$": "CAD", "CA$": "CAD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "NT$": "TWD", "MX$": "MXN",
    "euro": "EUR", "eur": "EUR",
}  # fmt: skip
#: The currencies of ISO 4217 (funds, metals and test codes left out): in a text, `VAT` and `RRP` are no currencies.
CODES = frozenset(re.findall(r"[A-Z]{3}", """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
    CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG
    HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA
    MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD
    RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX
    USD UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""))  # fmt: skip
#: Their smallest unit is a thousandth, so `1.250` is one and a quarter (ISO 4217).
THOUSANDTHS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
MAX_AMOUNT = 1e12
#: Typographic and Arabic separators, full-width signs: to the plain ones that mean the same.
_PLAIN = str.maketrans({"’": "'", "‘": "'", "´": "'", "٫": ".", "٬": ",", "￥": "¥", "＄": "$", "￡": "£"})
_DOLLARS = re.compile(r"\b(US|AU|CA|NZ|HK|NT|MX|A|C|S|R)\s+\$")
_CODE = re.compile(r"(?<![A-Za-z])([A-Z]{3})(?![A-Za-z])")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_SCIENTIFIC = re.compile(r"(?<![\w.,])(?:\d+\.?\d*|\.\d+)[eE][+-]?\d{1,3}(?!\w)")
_NEGATIVE = re.compile(r"(?<![\d.,\w])[-−]\s*[^\d\s-]{0,3}\s*\d")
_SEVERAL = re.compile(r"\d\s*(?:[-–—]|to|bis|à|for)\s*[^\d\s]{0,3}\s*\d")


def read_price(raw: Any, currency: Any = None) -> Price | None:
    """The price that `raw` (number, text or object) stands for; `currency` is what the feed names beside it.

    None where there is no single, finite amount from 0 to 10¹²: a range, a negative number, "on request", NaN.
    """
    if isinstance(raw, dict):
        raw, currency = raw.get("amount", raw.get("value")), raw.get("currency", currency)
    code = _currency(currency)
    if isinstance(raw, bool) or raw is None:
        return None
    if isinstance(raw, int | float):
        return _price(float(raw) if abs(raw) <= MAX_AMOUNT else math.inf, code)
    if not isinstance(raw, str) or len(raw) > 100:
        return None
    text = _DOLLARS.sub(r"\1$", raw.translate(_PLAIN).strip())
    code = code or _code_in(text)
    plain = _CODE.sub("", text).strip()
    if _NUMBER.fullmatch(plain) and (code in THOUSANDTHS or not _is_grouped(plain)):
        return _price(float(plain), code)
    if _NEGATIVE.search(text) or _SEVERAL.search(text):
        return None
    parsed = price_parser.Price.fromstring(text)
    code = code or SYMBOLS.get(parsed.currency or "")
    scientific = _SCIENTIFIC.search(text)
    if scientific:
        return _price(float(scientific.group()), code)
    if parsed.amount is None or not any(c.isdecimal() for c in text):
        return None
    return _price(float(parsed.amount), code)


def _is_grouped(text: str) -> bool:
    """`1.299` is one thousand two hundred and ninety-nine where people shop; `0.299` and `67.0000` are not."""
    whole, dot, rest = text.partition(".")
    return (
        bool(dot)
        and len(rest) == 3
        and rest.isdecimal()
        and 1 <= len(whole.lstrip("+-")) <= 3
        and not whole.startswith("0")
    )


def _price(amount: float, code: str | None) -> Price | None:
    # Adding 0.0 makes a plain zero of a negative one.
    return Price(amount=amount + 0.0, currency=code) if math.isfinite(amount) and 0 <= amount <= MAX_AMOUNT else None


def _currency(raw: Any) -> str | None:
    if not isinstance(raw, str):
        return None
    text = raw.strip()
    return text.upper() if re.fullmatch("[A-Za-z]{3}", text) and text != "lei" else SYMBOLS.get(text)


def _code_in(text: str) -> str | None:
    return next((code for code in _CODE.findall(text) if code in CODES), None)
