"""Prices as feeds write them: `$16.99`, `5.1499E2`, `21990 PHP`, `1.299,00 €`, `{"amount": 5, "currency": "EUR"}`."""

import math
import re
from typing import Any

import price_parser

from matcher.events.offer import Price

#: What the currency signs mean where the feed gives no code. `kr` and the bare `R` stay open: several countries use them.
SYMBOLS = {
    "$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "Rs": "INR", "Rs.": "INR", "₽": "RUB", "zł": "PLN",
    "฿": "THB", "₺": "TRY", "₴": "UAH", "₱": "PHP", "₩": "KRW", "₫": "VND", "₪": "ILS", "R$": "BRL", "A$": "AUD", "AU$": "AUD",
    "C$": "CAD", "CA$": "CAD", "NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "NT$": "TWD", "MX$": "MXN", "Kč": "CZK", "Ft": "HUF",
    "₦": "NGN", "lei": "RON", "лв": "BGN", "RM": "MYR", "Rp": "IDR",
}  # fmt: skip
MAX_AMOUNT = 1e12
_CODE = re.compile(r"(?<![A-Za-z])([A-Z]{3})(?![A-Za-z])")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_NEGATIVE = re.compile(r"(?<![\d.,\w])[-−]\s*[^\d\s-]{0,3}\s*\d")
_RANGE = re.compile(r"\d\s*(?:[-–—]|to|bis|à)\s*[^\d\s]{0,3}\s*\d")


def read_price(raw: Any, currency: Any = None) -> Price | None:
    """The price that `raw` (number, text or object) stands for; `currency` is what the feed names beside it.

    None where there is no single, finite amount from 0 to 10¹²: a range, a negative number, "on request", NaN.
    """
    if isinstance(raw, dict):
        return read_price(raw.get("amount", raw.get("value")), raw.get("currency", currency))
    code = _currency(currency)
    if isinstance(raw, bool) or raw is None:
        return None
    if isinstance(raw, int | float):
        return _price(float(raw) if abs(raw) <= MAX_AMOUNT else math.inf, code)
    if not isinstance(raw, str) or len(raw) > 100:
        return None
    text = raw.strip()
    code = code or _code_in(text)
    plain = _CODE.sub("", text).strip()
    if _NUMBER.fullmatch(plain) and not _is_grouped(plain):
        return _price(float(plain), code)
    if _NEGATIVE.search(text) or _RANGE.search(text):
        return None
    parsed = price_parser.Price.fromstring(text)
    if parsed.amount is None or not any(c.isdecimal() for c in text):
        return None
    return _price(float(parsed.amount), code or SYMBOLS.get(parsed.currency or ""))


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
    return Price(amount=amount, currency=code) if math.isfinite(amount) and 0 <= amount <= MAX_AMOUNT else None


def _currency(raw: Any) -> str | None:
    if not isinstance(raw, str):
        return None
    text = raw.strip()
    return text.upper() if re.fullmatch("[A-Za-z]{3}", text) and text != "lei" else SYMBOLS.get(text)


def _code_in(text: str) -> str | None:
    found = _CODE.search(text)
    return found.group(1) if found else None
