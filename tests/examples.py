"""How many examples a property is tried with: all it asks for, or the share of them that Hypothesis' profile gives.

`make check` runs with the profile `quick` (conftest.py), `make test` and continuous integration with the usual one.
"""

from hypothesis import settings

_USUAL = 100  # Hypothesis' own number


def examples(count: int) -> int:
    """`count`, or its share; 5 at least, if so many were asked for."""
    return min(count, max(5, count * settings.default.max_examples // _USUAL))
