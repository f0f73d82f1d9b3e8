"""The figures of each domain: whether a seller, a currency or a language does worse than the others."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from matcher.arrays import BoolArray, I64Array
from matcher.evaluation.decisions import TopDecisions
from matcher.evaluation.figures import accept_precision, accept_recall, aucpr, recall_at
from matcher.evaluation.intervals import DRAWS, estimates
from matcher.training.dataset import Dataset

#: More are put together as `others`.
MOST = 10
#: Domains of fewer queries are put together too: their figures would say nothing.
FEWEST_QUERIES = 20
OTHERS = "(others)"
MISSING = "(none)"


class DomainFigures(Struct, frozen=True, kw_only=True):
    """The queries of one domain, against the whole index. `kind`: what the domain is a value of."""

    kind: str
    name: str
    queries: int
    queries_with_match: int
    aucpr: float | None
    aucpr_low: float | None
    aucpr_high: float | None
    recall_at_1: float | None
    accept_precision: float | None
    accept_recall: float | None


def domains_of(dataset: Dataset) -> dict[str, Sequence[str | None]]:
    """The domains that offers themselves name: seller and currency."""
    return {
        "seller": dataset.sellers,
        "currency": [None if offer.price is None else offer.price.currency for offer in dataset.offers],
    }


def by_domain(
    top: TopDecisions,
    domains: Mapping[str, Sequence[str | None]],
    groups: I64Array,
    *,
    accept: float | None,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[DomainFigures, ...]:
    """Figures for each value of each kind of domain that has several, most queries first.

    `domains`: a value for each offer of the dataset, by kind; `groups` i64[n] of the queries.
    """
    found = []
    for kind, values in domains.items():
        own = [values[row] or MISSING for row in top.query.tolist()]
        counts = Counter(own)
        large = [name for name, count in counts.most_common(MOST) if count >= FEWEST_QUERIES]
        if len([name for name in large if name != MISSING]) < 2:
            continue
        names = np.array([name if name in large else OTHERS for name in own], object)
        for name in [*large, *([OTHERS] if len(large) < len(counts) else [])]:
            found.append(_figures(kind, name, top, names == name, groups, accept=accept, draws=draws, seed=seed))
    return tuple(found)


def _figures(
    kind: str, name: str, top: TopDecisions, chosen: BoolArray,
    groups: I64Array, *, accept: float | None, draws: int, seed: int,
) -> DomainFigures:  # fmt: skip
    part = top.take(chosen)
    area = estimates({"aucpr": aucpr(part)}, groups[chosen], draws=draws, seed=seed)["aucpr"]
    return DomainFigures(
        kind=kind,
        name=name,
        queries=len(part),
        queries_with_match=int(part.has_match.sum()),
        aucpr=area.value,
        aucpr_low=area.low,
        aucpr_high=area.high,
        recall_at_1=recall_at(part, 1).value(),
        accept_precision=None if accept is None else accept_precision(part, accept).value(),
        accept_recall=None if accept is None else accept_recall(part, accept).value(),
    )
