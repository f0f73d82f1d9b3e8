"""From a text to what can be counted in it: atoms, phrases, letter runs, product codes, all as 32-bit hashes."""

import html
import re
import unicodedata
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.verifier.lexicon import ROMAN
from matcher.verifier.quantities import is_quantity

HashArray = NDArray[np.uint32]

#: Letters in a run of the squashed text: long enough to be telling, short enough to survive a typing error.
GRAM = 4
STEM = 4
#: Shortest product code; shorter mixtures (`8t`, `f2`) are read as phrases.
MIN_CODE = 5
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
    return _DECIMAL_COMMA.sub(".", _THOUSANDS.sub("", plain.casefold()))


def atoms_of(plain: str) -> list[str]:
    """Runs of letters and runs of digits: `wh1000xm3` is wh, 1000, xm, 3, so `xg-1275` and `xg1275` agree.

    Roman numbers from two on become digits: `mark ii` and `mark 2` agree.
    """
    return [ROMAN.get(atom, atom) for atom in _ATOM.findall(plain)]


def phrases_of(atoms: Sequence[str]) -> list[str]:
    """Neighbouring atoms written together: they keep apart `note 8 t` and `8 note`, and join `570 x` with `570x`."""
    return [f"{one}{other}" for one, other in zip(atoms, atoms[1:], strict=False)]


def squashed(plain: str) -> str:
    """Letters and digits alone."""
    return _NOT_ALNUM.sub("", plain)


def codes_of(plain: str, limit: int = MAX_CODES) -> list[str]:
    """What looks like a model or part number, hyphens taken out: letters with digits, or five digits and more.

    Quantities (`256gb`, `1600mhz`) are none. At most `limit`, in order of appearance.
    """
    found: dict[str, None] = {}
    for piece in _PIECE.findall(plain):
        for part in (piece, *(piece.split("/") if "/" in piece else ())):
            code = squashed(part)
            if MIN_CODE <= len(code) <= 32 and _mixed(code) and not is_quantity(part) and not is_quantity(code):
                found[code] = None
    return list(found)[:limit]


def models_of(plain: str) -> list[str]:
    """Short mixtures of one run of letters and one of digits, `570x`, `h151`, `m3`: names of models, or parts of them.

    Quantities are none. Spelled like the phrases of another title that writes them apart.
    """
    return [
        f"{a or ''}{n}{b or ''}" for a, n, b in _MODEL.findall(plain) if bool(a) != bool(b) and not is_quantity(n + b)
    ]


def _mixed(code: str) -> bool:
    digits = sum(c.isdigit() for c in code)
    return digits == len(code) if digits >= len(code) else digits >= 2 or (digits == 1 and len(code) >= 6)


def hashes(words: Iterable[str]) -> HashArray:
    """The distinct CRC-32 of the words (UTF-8), ascending: stable over processes, unlike Python's own hash."""
    return np.unique(np.fromiter((zlib.crc32(word.encode()) for word in words), np.uint32))


def each_hash(words: Sequence[str]) -> HashArray:
    """The CRC-32 of every word, in their order."""
    return np.fromiter((zlib.crc32(word.encode()) for word in words), np.uint32, count=len(words))


def stems_of(atoms: Iterable[str]) -> list[str]:
    """The first letters of each word, numbers whole: `magenta` and `magentowy` agree, and so do `phos` and `phosphor`."""
    return [atom[:STEM] for atom in atoms]


def grams_of(squashed_text: str) -> HashArray:
    """The distinct hashes of all runs of `GRAM` letters; a shorter text is one run."""
    points = np.frombuffer(squashed_text.encode("utf-32-le"), np.uint32)
    if len(points) < GRAM:
        points = np.pad(points, (0, GRAM - len(points))) if len(points) else points
    if not len(points):
        return np.empty(0, np.uint32)
    windows = np.lib.stride_tricks.sliding_window_view(points, GRAM)
    with np.errstate(over="ignore"):
        mixed = windows.astype(np.uint32) @ _GRAM_FACTORS
        mixed ^= mixed >> np.uint32(15)
        mixed *= np.uint32(0x9E3779B1)
    return np.unique(mixed)


_GRAM_FACTORS = np.array([0x01000193 ** (n + 1) % 2**32 for n in range(GRAM)], np.uint32)
