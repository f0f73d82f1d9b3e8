"""Decisions against the truth, counted offer by offer as a stream: each query sees only what came before it."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from matcher.evaluation.clusters import b_cubed
from matcher.evaluation.run.history import DeadLetterCount, FirstDecision, History, Withdrawal
from matcher.evaluation.run.truth import Truth
from matcher.evaluation.standing import Standing


class Report(Struct, frozen=True, kw_only=True):
    """The figures of one run. A share of nothing is None.

    `offers` = `decided` + `dead_letters` + `undecided`, all counted in versions; `decided` = `matched` +
    `needs_review` + `new_products` + `overwritten`. `overwritten`, `superseded`: decisions that the compacted log no
    longer holds, so that they are judged neither right nor wrong (see `History`).

    A *query* is a decided version whose true product is known. It *has a match* if an offer of the same product stood
    in the index before it, not its own and, with `excludes_own_seller`, not its own seller's; an offer that a decision
    names did stand there. A match with an offer of unknown product can be neither right nor wrong: it is no query, but
    counted in `unjudged`.

    precision = `right` ÷ accepted queries, recall = `right` ÷ `queries_with_match`; `recall_with_review` adds the
    `right_in_review`: needs-review decisions with a right offer among the three shown, an upper bound.
    Latency is in seconds from event time to the moment the decision was written; its commit takes some 10 ms more.
    """

    offers: int
    decided: int
    matched: int
    needs_review: int
    new_products: int
    dead_letters: int
    precision: float | None
    recall: float | None
    recall_with_review: float | None
    latency_p50: float | None
    latency_p99: float | None
    undecided: int
    withdrawn: int
    superseded: int
    overwritten: int
    queries: int
    queries_with_match: int
    accepted: int
    right: int
    right_in_review: int
    unjudged: int
    decided_without_truth: int
    truth_not_decided: int
    truth_rows_skipped: int
    excludes_own_seller: bool
    live_offers: int
    products: int
    b3_precision: float | None
    b3_recall: float | None
    dead_letters_by_reason: tuple[DeadLetterCount, ...]


class _Counts:
    """What is counted on the way through the events."""

    def __init__(self) -> None:
        self.outcomes: Counter[str | None] = Counter()
        self.withdrawn = 0
        self.queries = 0
        self.with_match = 0
        self.accepted = 0
        self.right = 0
        self.right_in_review = 0
        self.unjudged = 0
        self.without_truth = 0


def compare(history: History, truth: Truth, *, exclude_own_seller: bool) -> Report:
    """Compares a run with the truth. `exclude_own_seller`: whether the matcher was not to match a seller with itself.

    The seller of an offer is the one that the truth names, else its own word.
    """
    counts = _judge(history, truth, exclude_own_seller=exclude_own_seller)
    decisions = [event for event in history.events if isinstance(event, FirstDecision)]
    dead = sum(entry.count for entry in history.dead_letters)
    known = [(product, truth.products[o]) for o, product in history.table.items() if o in truth.products]
    b3_precision, b3_recall = b_cubed(known)
    p50, p99 = _percentiles([d.latency for d in decisions if d.latency is not None])
    found = counts.right + counts.right_in_review
    return Report(
        offers=len(decisions) + dead + history.undecided,
        decided=len(decisions),
        matched=counts.outcomes["matched"],
        needs_review=counts.outcomes["needs_review"],
        new_products=counts.outcomes["new_product"],
        dead_letters=dead,
        precision=_share(counts.right, counts.accepted),
        recall=_share(counts.right, counts.with_match),
        recall_with_review=_share(found, counts.with_match),
        latency_p50=p50,
        latency_p99=p99,
        undecided=history.undecided,
        withdrawn=counts.withdrawn,
        superseded=history.superseded,
        overwritten=counts.outcomes[None],
        queries=counts.queries,
        queries_with_match=counts.with_match,
        accepted=counts.accepted,
        right=counts.right,
        right_in_review=counts.right_in_review,
        unjudged=counts.unjudged,
        decided_without_truth=counts.without_truth,
        truth_not_decided=len(truth.products.keys() - {d.offer_id for d in decisions}),
        truth_rows_skipped=truth.skipped,
        excludes_own_seller=exclude_own_seller,
        live_offers=len(history.table),
        products=len(set(history.table.values())),
        b3_precision=b3_precision,
        b3_recall=b3_recall,
        dead_letters_by_reason=tuple(history.dead_letters),
    )


def _judge(history: History, truth: Truth, *, exclude_own_seller: bool) -> _Counts:
    standing = Standing(exclude_own_seller=exclude_own_seller)
    counts = _Counts()
    for event in history.events:
        # An update takes the place of the offer's earlier version, which is no candidate for it.
        standing.leave(event.offer_id)
        if isinstance(event, Withdrawal):
            counts.withdrawn += 1
            continue
        counts.outcomes[event.outcome] += 1
        product = truth.products.get(event.offer_id)
        if product is None:
            counts.without_truth += 1
            continue
        seller = truth.sellers.get(event.offer_id) or history.sellers.get(event.offer_id)
        if event.outcome is not None:
            _count_query(counts, event, truth, product, standing.has_match(event.partition, product, seller))
        standing.enter(event.offer_id, event.partition, product, seller)
    return counts


def _count_query(counts: _Counts, event: FirstDecision, truth: Truth, product: str, had_match: bool) -> None:
    accepted = event.outcome == "matched"
    named = (event.matched_offer_id,) if accepted and event.matched_offer_id else event.shown
    right = any(truth.products.get(offer) == product for offer in named if offer != event.offer_id)
    if accepted and event.matched_offer_id not in truth.products:
        counts.unjudged += 1
        return
    counts.queries += 1
    counts.accepted += accepted
    counts.with_match += had_match or right
    counts.right += accepted and right
    counts.right_in_review += event.outcome == "needs_review" and right


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _percentiles(latencies: Sequence[float]) -> tuple[float | None, float | None]:
    if not latencies:
        return None, None
    p50, p99 = np.quantile(np.array(latencies), (0.5, 0.99))
    return float(p50), float(p99)
