"""Whether two brands can be the same one: the rule that the table of brands finds pairs by."""

from rapidfuzz.distance import OSA

from matcher.brands.names import Brand

#: Fewest characters of a name that another may begin with: `fuji` and `fujifilm`.
MIN_PREFIX = 4
#: Fewest characters of names that may differ by one typing error, and by two.
ONE_ERROR, TWO_ERRORS = 5, 8
#: Characters that have to be right: most errors come later, and so there are few names to compare with.
CERTAIN = 2


def compatible(one: Brand, other: Brand) -> bool:
    """Symmetric, and a function of the two names alone.

    One key is a part of the other brand (`park` of `park tool`, `dw` of `daniel wellington`), or its beginning, or the
    two differ by few typing errors (`errors_allowed`) behind their first letters (`CERTAIN`).
    """
    short, long = (one.key, other.key) if len(one.key) <= len(other.key) else (other.key, one.key)
    if one.key in other.parts or other.key in one.parts or (len(short) >= MIN_PREFIX and long.startswith(short)):
        return True
    errors = errors_allowed(short)
    return (
        short[:CERTAIN] == long[:CERTAIN]
        and len(long) - len(short) <= errors
        and OSA.distance(short, long, score_cutoff=errors) <= errors
    )


def errors_allowed(short: str) -> int:
    """How many typing errors (insertion, deletion, replacement, swap of neighbours) may part the shorter key from the
    longer."""
    return (len(short) >= ONE_ERROR) + (len(short) >= TWO_ERRORS)
