"""Global Trade Item Numbers as feeds write them, checked."""


def valid_gtin(text: str | None) -> str | None:
    """The GTIN-8, -12, -13 or -14 in `text` as 14 digits, or None where the check digit (GS1, modulo 10) is wrong."""
    digits = (text or "").replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdecimal() and len(digits) in (8, 12, 13, 14)) or not int(digits):
        return None
    padded = digits.zfill(14)
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(padded))
    return padded if total % 10 == 0 else None
