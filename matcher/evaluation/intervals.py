"""How sure a figure is: percentile bootstrap over sibling groups (Efron and Tibshirani, 1993, chapters 8 and 13).

Offers of one product, and products that are near twins, are right or wrong together: the group is the unit, not the
query. The index stays as it is; only the queries are drawn again.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from msgspec import Struct

from matcher.arrays import F64Array, I64Array
from matcher.evaluation.figures import Figure, number

DRAWS = 1_000
#: Weights held at once: 2 MiB of float64, which stays in the cache of a core.
_CHUNK_WEIGHTS = 2**18


class Estimate(Struct, frozen=True):
    """A figure and the bounds of its interval; None where there is nothing to share."""

    value: float | None
    low: float | None
    high: float | None


def resamples(groups: I64Array, *, draws: int = DRAWS, seed: int = 0) -> Iterator[F64Array]:
    """How often each query is drawn when its groups are drawn with replacement: f64[b, n], `draws` rows in all.

    `groups` i64[n] in any numbering. The same seed gives the same draws whatever the figure: differences are paired.
    """
    _, group = np.unique(groups, return_inverse=True)
    count = int(group.max()) + 1 if len(group) else 0
    generator = np.random.default_rng(seed)
    step = max(1, _CHUNK_WEIGHTS // max(1, len(group)))
    for start in range(0, draws, step):
        times = [
            np.bincount(generator.integers(0, count, count), minlength=count)[group] if count else np.empty(0)
            for _ in range(min(step, draws - start))
        ]
        yield np.array(times, np.float64)


def estimates(
    figures: Mapping[str, Figure], groups: I64Array, *, draws: int = DRAWS, seed: int = 0, level: float = 0.95
) -> dict[str, Estimate]:
    """Each figure with its interval. `groups` i64[n] of the queries.

    Where every group is right (or none is), all draws agree and the percentiles say nothing: there the bound is that
    of Clopper and Pearson (1934) with the groups as units.
    """
    drawn: dict[str, list[F64Array]] = {name: [] for name in figures}
    for weights in resamples(groups, draws=draws, seed=seed):
        for name, figure in figures.items():
            drawn[name].append(figure.weigh(weights))
    return {
        name: _estimate(figure, np.concatenate(drawn[name]), groups, (1 - level) / 2)
        for name, figure in figures.items()
    }


def estimate(figure: Figure, groups: I64Array, *, draws: int = DRAWS, seed: int = 0, level: float = 0.95) -> Estimate:
    """One figure with its interval, as `estimates`."""
    return estimates({"": figure}, groups, draws=draws, seed=seed, level=level)[""]


def _estimate(figure: Figure, drawn: F64Array, groups: I64Array, tail: float) -> Estimate:
    value = figure.value()
    drawn = drawn[~np.isnan(drawn)]
    if value is None or not len(drawn):
        return Estimate(value, None, None)
    low, high = np.quantile(drawn, (tail, 1 - tail))
    units = len(np.unique(groups[figure.carriers]))
    if units and value == 1.0 == low:
        low = tail ** (1 / units)
    elif units and value == 0.0 == high:
        high = 1 - tail ** (1 / units)
    return Estimate(value, number(low), number(high))
