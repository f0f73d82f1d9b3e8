"""From a text to what can be counted in it: words, neighbouring words, runs of letters, codes, all as 32-bit hashes."""

import html
import re
import unicodedata
import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from matcher.verifier.lexicon import ROMAN
from matcher.verifier.quantities import is_quantity

HashArray = NDArray[np.uint32]

#: Letters in a run of the squashed text: long enough to be telling, short enough to survive a typing error.
GRAM = 4
#: Letters of a word that stand for all its forms.
STEM = 4
#: Shortest product code; shorter mixtures (`8t`, `f2`) are models.
MIN_CODE, MAX_CODE = 5, 32
MAX_CODES = 12

_ATOM = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_INCHES = str.maketrans({"″": '"', "”": '"', "“": '"', "„": '"', "’": "'", "′": "'", "×": "x", "®": " ", "™": " "})
_MARK = re.compile("[\u0300-\u036f]")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_PIECE = re.compile(r"[^\W_]+(?:[-./][^\W_]+)*")
_MODEL = re.compile(r"(?<![^\W_])([^\W\d_]{1,4})?-?(\d{1,4})([^\W\d_]{1,3})?(?![^\W_])")
_NOT_ALNUM = re.compile(r"[\W_]+")


def plain_text(text: str | None) -> str:
    """Lower case, without accents, `1,500` and `6,3` as numbers with a point, inch signs all alike."""
    if not text:
        return ""
    # Feeds escape entities twice.
    plain = html.unescape(html.unescape(text)) if "&" in text else text
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", plain.translate(_INCHES))
        plain = _MARK.sub("", _INVISIBLE.sub("", plain))
    plain = plain.casefold()
    return _DECIMAL_COMMA.sub(".", _THOUSANDS.sub("", plain)) if "," in plain else plain


def atoms_of(plain: str) -> list[str]:
    """Runs of letters and runs of digits: `wh1000xm3` is wh, 1000, xm, 3, so `xg-1275` and `xg1275` agree.

    Roman numbers from two on become digits: `mark ii` and `mark 2` agree.
    """
    return [ROMAN.get(atom, atom) for atom in _ATOM.findall(plain)]


def squashed(plain: str) -> str:
    """Letters and digits alone."""
    return _NOT_ALNUM.sub("", plain)


def codes_of(plain: str) -> list[str]:
    """What looks like a model or part number, hyphens taken out: letters with digits, or five digits and more.

    Quantities (`256gb`, `1600mhz`) are none. At most `MAX_CODES`, in order of appearance.
    """
    found: dict[str, None] = {}
    for piece in _PIECE.findall(plain):
        if len(piece) < MIN_CODE:
            continue
        for part in (piece, *(piece.split("/") if "/" in piece else ())):
            code = squashed(part)
            if (
                MIN_CODE <= len(code) <= MAX_CODE
                and _is_mixed(code)
                and not is_quantity(part)
                and not is_quantity(code)
            ):
                found[code] = None
    return list(found)[:MAX_CODES]


def models_of(plain: str) -> list[tuple[str, str]]:
    """Short mixtures of one run of letters and one of digits, `570x`, `h151`, `m3`, cut in two as `atoms_of` cuts them.

    Quantities are none.
    """
    found = [(a, n) if a else (n, b) for a, n, b in _MODEL.findall(plain) if bool(a) != bool(b)]
    return [(one, other) for one, other in found if not is_quantity(one + other)]


def _is_mixed(code: str) -> bool:
    digits = sum(map(str.isdigit, code))
    return digits == len(code) or digits >= 2 or (digits == 1 and len(code) > MIN_CODE)


@lru_cache(maxsize=1 << 16)
def word_hash(word: str) -> int:
    """CRC-32 of the word: the same in every process, unlike Python's own hash."""
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


def hashes(words: Sequence[str]) -> HashArray:
    """u32[len(words)]: the hash of every word, in their order."""
    return np.fromiter(map(word_hash, words), np.uint32, count=len(words))


def distinct(words: HashArray) -> HashArray:
    """The distinct ones, ascending."""
    return np.unique(words)


def runs_of(words: HashArray, length: int) -> HashArray:
    """u32[n - length + 1]: a hash for each run of so many neighbouring words, in their order."""
    count = len(words) - length + 1
    if count <= 0:
        return np.empty(0, np.uint32)
    mixed = np.zeros(count, np.uint32)
    for place in range(length):
        mixed = (mixed ^ words[place : place + count]) * _FACTOR
        mixed ^= mixed >> np.uint32(15)
    return mixed


def grams_of(squashed_text: str) -> HashArray:
    """The distinct hashes of all runs of `GRAM` letters; a shorter text is one run."""
    letters = np.frombuffer(
        squashed_text.ljust(GRAM if squashed_text else 0).encode("utf-32-le", "surrogatepass"), np.uint32
    )
    return distinct(runs_of(letters, GRAM))


_FACTOR = np.uint32(0x9E3779B1)
