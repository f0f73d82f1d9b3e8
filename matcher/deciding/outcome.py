"""One offer and its candidates: match, needs review, or new product."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from matcher.events.decision import Candidate, Evidence, ReviewReason
from matcher.events.offer import Offer
from matcher.gtin import valid_gtin
from matcher.model.bundle import Thresholds


class Choice(Struct, frozen=True, kw_only=True):
    """The outcome for one offer. `reason` says why a person is asked; `best` is the best candidate, accepted or not."""

    outcome: Literal["matched", "needs_review", "new_product"]
    best: Candidate | None = None
    reason: ReviewReason | None = None


def choose(candidates: Sequence[Candidate], thresholds: Thresholds, *, conflict: bool) -> Choice:
    """Decides by the best of `candidates` (best first). `conflict`: its product code contradicts the offer's."""
    if not candidates or candidates[0].probability < thresholds.review:
        return Choice(outcome="new_product", best=candidates[0] if candidates else None)
    best = candidates[0]
    if thresholds.accept is None or best.probability < thresholds.accept:
        return Choice(outcome="needs_review", best=best, reason="band")
    rival = next((other.probability for other in candidates if other.product_id != best.product_id), None)
    held = held_back(best.probability, rival, accept=thresholds.accept, margin=thresholds.margin, conflict=conflict)
    return Choice(outcome="matched" if held is None else "needs_review", best=best, reason=held)


def held_back(
    best: float, rival: float | None, *, accept: float, margin: float, conflict: bool
) -> Literal["conflict", "ambiguous"] | None:
    """Why a best candidate that reaches `accept` goes to people all the same; None: it is a match.

    `best` and `rival`: probabilities of the best candidate, and of the best one of another product, if there is one.
    """
    if conflict:
        return "conflict"
    if rival is not None and rival >= accept and best - rival < margin:
        return "ambiguous"
    return None


def codes_conflict(one: Offer, other: Offer) -> bool:
    """Whether both offers carry a valid GTIN and the two differ: then they are different trade items (GS1)."""
    left, right = valid_gtin(one.gtin), valid_gtin(other.gtin)
    return left is not None and right is not None and left != right


def explain(told: tuple[Evidence, ...], *, conflict: bool, runner_up: float | None) -> tuple[Evidence, ...]:
    """What was seen of a candidate, as data: what comparing it told, the score of the next product, code conflicts."""
    evidence = list(told)
    if runner_up is not None:
        evidence.append(Evidence("score_of_next_product", round(runner_up, 6)))
    if conflict:
        evidence.append(Evidence("gtin_differs", 1.0, "difference"))
    return tuple(evidence)
