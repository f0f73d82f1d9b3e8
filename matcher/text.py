"""The text of an offer as the encoder reads it: brand and title, cleaned lightly (paper, "Preprocessing")."""

import html
import unicodedata

#: Part of every encoder's fingerprint: raise it when `offer_text` gives another text for the same offer.
TEMPLATE_VERSION = 1
#: Characters of the result at most; encoders read fewer still.
MAX_CHARS = 512
#: Characters of one field that are looked at; normalising can make a text up to 18 times as long.
_MAX_FIELD = 4096


def offer_text(brand: str | None, title: str | None) -> str:
    """Brand and title in one line of at most `MAX_CHARS` characters; empty when the offer has neither.

    The brand comes first, unless the title begins with it already (letter case aside, at a word boundary).
    """
    clean_brand, clean_title = clean_text(brand), clean_text(title)
    if not clean_title or _begins_with(clean_title, clean_brand):
        joined = clean_title or clean_brand
    else:
        joined = f"{clean_brand} {clean_title}"
    return joined[:MAX_CHARS].strip()


def clean_text(text: str | None) -> str:
    """NFKC, HTML entities resolved, no control, format or surrogate characters, single spaces, stripped.

    Entities are resolved twice, since feeds escape them twice.
    """
    if not text:
        return ""
    plain = unicodedata.normalize("NFKC", html.unescape(html.unescape(text[:_MAX_FIELD])))
    if plain.isascii() and plain.isprintable():
        return " ".join(plain.split())  # what follows would change nothing else
    kept = (" " if unicodedata.category(c) == "Cc" else c for c in plain)
    return " ".join("".join(c for c in kept if not unicodedata.category(c).startswith("C")).split())


def _begins_with(title: str, brand: str) -> bool:
    low_title, low_brand = title.casefold(), brand.casefold()
    if not low_title.startswith(low_brand):
        return False
    rest = low_title[len(low_brand) :]
    return not rest or not low_brand or not rest[0].isalnum()
