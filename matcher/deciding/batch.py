"""The batch rule: offers that arrive together are decided as if they had come one by one.

Each offer sees the index as it was before the batch, less what earlier records of the batch replaced or withdrew, plus
what they brought. So twins meet even when they arrive in the same batch, and where a batch is cut changes no decision.
Three passes: every offer's candidates (`plan`), all pairs scored at once (`comparison`), decisions in order (`naming`).
"""

from collections.abc import Sequence

import numpy as np

from matcher.deciding.arrivals import Arrival, read_arrival
from matcher.deciding.comparison import Comparison, Ranked
from matcher.deciding.content import content_of
from matcher.deciding.contents import Contents
from matcher.deciding.finding import nearest_beside
from matcher.deciding.known import Memory
from matcher.deciding.naming import Naming
from matcher.deciding.plan import Plan, plan_batch
from matcher.deciding.steps import Decided, Gone, Refused, Skipped, Step
from matcher.events.envelope import Record
from matcher.metrics import Metrics
from matcher.model.bundle import Bundle
from matcher.model.projection import project

__all__ = ["Decided", "Gone", "Refused", "Skipped", "Step", "decide_batch"]


def decide_batch(records: Sequence[Record], memory: Memory, bundle: Bundle, metrics: Metrics) -> list[Step]:
    """What becomes of each record, in order. Changes nothing: the steps are applied after they were published."""
    with metrics.stage("decode").time():
        read = [read_arrival(record, bundle) for record in records]
        arrivals = [arrival for arrival in read if isinstance(arrival, Arrival)]
        versions = memory.versions([arrival.offer_id for arrival in arrivals])
        again = [a.offer_id for a in arrivals if a.features is not None and versions.get(a.offer_id) == a.version]
        products = memory.products(again) if again else {}
    with metrics.stage("project").time():
        features = [arrival.features for arrival in arrivals if arrival.features is not None]
        vectors = project(features, bundle)
    with metrics.stage("search").time():
        sellers = [one.offer.seller_id for one in features] if bundle.search.exclude_own_seller else None
        by_brand = [one.offer for one in features] if bundle.search.brand_blocks else None
        found = nearest_beside(
            memory,
            vectors,
            bundle.search.candidates,
            changing=versions.keys(),
            not_sellers=sellers,
            by_brand=by_brand,
        )
        plan = plan_batch(arrivals, vectors, found, versions=versions, live=list(products), search=bundle.search)
    with metrics.stage("verify").time():
        contents = Contents([content_of(one, bundle) for one in features], plan, memory)
        every = np.stack([*vectors, *(known.vector for known in plan.known)]) if features else vectors
        comparison = Comparison(plan, every, contents, bundle)
        ranking = comparison.ranking()
        contents.read(ranked[0].place for ranked in ranking if ranked)
    with metrics.stage("decide").time():
        steps = iter(_steps(plan, comparison, ranking, Naming(plan, contents, bundle, products)))
        return [
            next(steps) if isinstance(one, Arrival) else Refused(record, one)
            for record, one in zip(records, read, strict=True)
        ]


def _steps(
    plan: Plan, comparison: Comparison, ranking: Sequence[tuple[Ranked, ...]], naming: Naming
) -> list[Decided | Gone | Skipped]:
    settled = [naming.settle(planned, ranked) for planned, ranked in zip(plan.planned, ranking, strict=True)]
    told = iter(comparison.told([pair for one in settled if one is not None for pair in one.explained]))
    steps: list[Decided | Gone | Skipped] = []
    for planned, one in zip(plan.planned, settled, strict=True):
        arrival, row = planned.arrival, planned.row
        if planned.what == "gone":
            steps.append(Gone(arrival))
        elif planned.what == "superseded" or row is None:
            steps.append(Skipped(arrival=arrival, why="superseded"))
        elif one is None:
            vector, content = comparison.offer(row)
            steps.append(Skipped(arrival=arrival, why="reindexed", vector=vector, content=content))
        else:
            vector, content = comparison.offer(row)
            seen = [next(told) for _ in one.explained]
            decision, shown = naming.decision(one, seen), naming.shown(one, seen)
            steps.append(Decided(arrival=arrival, vector=vector, decision=decision, shown=shown, content=content))
    return steps
