"""One brand as feeds write it, brought into one form: `H&M`, `h & m` and `Hennes & Mauritz AB` are the same name."""

import html
import re
import unicodedata
from functools import lru_cache

from msgspec import Struct

from matcher.brands.words import ALIASES, ARTICLES, JOINING, LEGAL, NO_BRAND, SHARED
from matcher.text import clean_text

#: Which way of reading names this is. States hold names, so it is raised whenever `read_brand` gives another name for
#: any text; states of another reading are built anew.
READING = 1
#: Words of a name that are read, and characters of a word.
MAX_WORDS, MAX_LETTERS = 8, 32
#: Words of a title that are read, and the longest name looked for in it, in words.
MAX_TITLE_WORDS, MAX_NAME = 48, 4
#: Fewest characters of a part of a name that names the brand by itself.
MIN_PART = 2

_WORD = re.compile(r"[^\W_]+")
_MARKS = str.maketrans(dict.fromkeys("®™©℠", " "))
_APOSTROPHE = re.compile(r"(?<=\w)['’`´](?=\w)")
_ADDRESS = re.compile(r"(?:https?:|www\.)|\w\.(?:com|net|org|de|co\.uk|fr|it|es|nl|eu|shop|store)\b", re.IGNORECASE)


class Brand(Struct, frozen=True):
    """A brand's canonical name: `words` in lower case without accents, legal forms and articles.

    `key`: the words without spaces. `parts`: the key, and every run of neighbouring words and the initials, where
    they may stand for the brand. Two brands of one name are equal.
    """

    words: tuple[str, ...]
    key: str
    parts: frozenset[str]

    @property
    def name(self) -> str:
        return " ".join(self.words)


@lru_cache(maxsize=1 << 16)
def read_brand(text: str | None) -> Brand | None:
    """None where there is no brand: nothing, an address on the web, or a word for "none" (`unbranded`, `n/a`)."""
    if not text or _ADDRESS.search(text):
        return None
    words = words_of(text)[:MAX_WORDS]
    if "".join(words) in NO_BRAND:
        return None
    words = _trimmed(_unjoined(words))
    words = _CANONICAL.get("".join(words), words)
    if not words or "".join(words) in NO_BRAND:
        return None
    return brand_named(" ".join(words))


def brand_named(name: str) -> Brand:
    """The brand of a canonical name. Names are stored by tables, so they are read again as they are."""
    words = name.split(" ")
    return Brand(words=tuple(words), key="".join(words), parts=_parts(words))


def words_of(text: str) -> list[str]:
    """Runs of letters and digits in lower case, without accents; an apostrophe inside a word is no end of it."""
    # What NFKC makes of the marks are letters.
    plain = clean_text(html.unescape(html.unescape(text)).translate(_MARKS))
    plain = _APOSTROPHE.sub("", plain).casefold()
    if plain.isascii():
        return [word[:MAX_LETTERS] for word in _WORD.findall(plain)]
    plain = unicodedata.normalize("NFKD", plain)
    plain = unicodedata.normalize("NFKC", "".join(c for c in plain if not unicodedata.combining(c)))
    return [word[:MAX_LETTERS] for word in _WORD.findall(plain)]


@lru_cache(maxsize=1024)  # a batch asks the index and its own offers
def names_in(title: str | None) -> frozenset[str]:
    """The keys of all brands that the title may name: its runs of up to `MAX_NAME` words, without spaces.

    An alias counts as the name that it stands for.
    """
    runs = _runs(_unjoined(words_of(title or "")[:MAX_TITLE_WORDS]), MAX_NAME)
    return runs | {"".join(_CANONICAL[run]) for run in runs if run in _CANONICAL}


def _unjoined(words: list[str]) -> list[str]:
    """Without the words that only join their neighbours."""
    last = len(words) - 1
    return [word for place, word in enumerate(words) if word not in JOINING or place in (0, last)]


def _trimmed(words: list[str]) -> list[str]:
    """Without articles in front and legal forms behind, as long as something is left."""
    start, end = 0, len(words)
    while end - start > 1 and words[end - 1] in LEGAL:
        end -= 1
    while end - start > 1 and words[start] in ARTICLES:
        start += 1
    return words[start:end]


def _parts(words: list[str]) -> frozenset[str]:
    initials = {"".join(word[0] for word in words)} if len(words) > 1 else set()
    return frozenset({"".join(words)} | _runs(words, MAX_WORDS) | initials)


def _runs(words: list[str], longest: int) -> frozenset[str]:
    """All runs of neighbouring words that can name a brand by themselves."""
    found: set[str] = set()
    for start in range(len(words)):
        run, telling = "", False
        for word in words[start : start + longest]:
            run, telling = run + word, telling or word not in SHARED
            if telling and len(run) >= MIN_PART:
                found.add(run)
    return frozenset(found)


#: From the key of an alias to the words that stand for it.
_CANONICAL: dict[str, list[str]] = {
    "".join(alias.split()): aliases[0].split() for aliases in ALIASES for alias in aliases
}
