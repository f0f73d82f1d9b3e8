"""The last pass over a batch: in order, thresholds are applied and products named; then the decisions are written."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from matcher.deciding.comparison import Ranked
from matcher.deciding.contents import Contents
from matcher.deciding.identity import product_id, review_id
from matcher.deciding.outcome import Choice, choose, codes_conflict, explain
from matcher.deciding.plan import Plan, Planned
from matcher.events.decision import Candidate, Decision, Evidence
from matcher.events.place import Version
from matcher.events.review import ReviewCandidate
from matcher.model.bundle import Bundle
from matcher.model.calibration import probability

#: Candidates that a reviewer is shown.
SHOWN = 3
#: Of scores and probabilities in events.
DIGITS = 6


class Settled(Struct, frozen=True, kw_only=True):
    """What is decided of one offer; `conflict`: whether its product code contradicts the best candidate's.

    `candidates`: the first of `ranked`, as many as anybody looks at.
    """

    planned: Planned
    ranked: tuple[Ranked, ...]
    candidates: tuple[Candidate, ...]
    choice: Choice
    conflict: bool
    product_id: str

    @property
    def explained(self) -> tuple[int, ...]:
        """The pairs that people get to see: the best candidate's; where a person is asked, of all that are shown."""
        asked = self.choice.outcome == "needs_review"
        return tuple(one.pair for one in self.ranked[: SHOWN if asked else 1])


class Naming:
    """Takes the steps of a plan in order and remembers which product each offer of the batch belongs to."""

    def __init__(self, plan: Plan, contents: Contents, bundle: Bundle, products: Mapping[str, str]) -> None:
        """`contents`: read of the best candidate of each offer, and before `shown` of all that are shown.

        `products`: of offers that the batch may index again.
        """
        self._plan = plan
        self._contents = contents
        self._bundle = bundle
        self._products = dict(products)
        self._product_of_row: dict[int, str] = {}

    def settle(self, planned: Planned, ranked: tuple[Ranked, ...]) -> Settled | None:
        """Decides one offer; None where there is nothing to decide."""
        offer_id, row = planned.arrival.offer_id, planned.row
        if planned.what == "gone":
            self._products.pop(offer_id, None)
        if planned.what == "reindexed" and row is not None:
            self._product_of_row[row] = self._products[offer_id]
        if planned.what != "decide" or row is None:
            return None
        candidates = tuple(self._candidates(ranked))
        conflict = bool(ranked) and self._conflict(row, ranked[0])
        choice = choose(candidates, self._bundle.thresholds, conflict=conflict)
        product = product_id(offer_id, planned.arrival.version)
        if choice.outcome == "matched" and choice.best is not None:
            product = choice.best.product_id
        self._products[offer_id] = self._product_of_row[row] = product
        return Settled(
            planned=planned,
            ranked=ranked,
            candidates=candidates,
            choice=choice,
            conflict=conflict,
            product_id=product,
        )

    def decision(self, settled: Settled, told: Sequence[tuple[Evidence, ...]]) -> Decision:
        """The event; `told`: the evidence of each pair in `settled.explained`."""
        arrival, best = settled.planned.arrival, settled.choice.best
        evidence: tuple[Evidence, ...] = ()
        if best is not None:
            rival = next((c.score for c in settled.candidates if c.product_id != best.product_id), None)
            evidence = explain(told[0], conflict=settled.conflict, runner_up=rival)
        asked = settled.choice.outcome == "needs_review"
        return Decision(
            offer_id=arrival.offer_id,
            outcome=settled.choice.outcome,
            product_id=settled.product_id,
            version=arrival.version,
            cause=arrival.record.place,
            model=self._bundle.fingerprint,
            matched_offer_id=best.offer_id if best else None,
            score=best.score if best else None,
            probability=round(best.probability, DIGITS) if best else None,
            evidence=evidence,
            review_id=review_id(arrival.offer_id, arrival.version) if asked else None,
            review_reason=settled.choice.reason,
        )

    def shown(self, settled: Settled, told: Sequence[tuple[Evidence, ...]]) -> tuple[ReviewCandidate, ...]:
        """The candidates for a reviewer, each with its own evidence; none where nobody is asked."""
        row = settled.planned.row
        if settled.choice.outcome != "needs_review" or row is None:
            return ()
        parts = zip(settled.candidates, settled.ranked, told, strict=False)
        return tuple(
            ReviewCandidate(
                candidate=replace(candidate, probability=round(candidate.probability, DIGITS)),
                offer=self._contents[one.place].offer,
                evidence=explain(seen, conflict=self._conflict(row, one), runner_up=None),
            )
            for candidate, one, seen in parts
        )

    def _conflict(self, row: int, one: Ranked) -> bool:
        return codes_conflict(self._contents[row].offer, self._contents[one.place].offer)

    def _candidates(self, ranked: tuple[Ranked, ...]) -> Iterator[Candidate]:
        """Those that may be shown, and on to the best one of another product than the first: who decides, or tells what
        was decided, looks at no other."""
        products = set[str]()
        for place, one in enumerate(ranked):
            if place >= SHOWN and len(products) > 1:
                return
            candidate = self._candidate(one)
            products.add(candidate.product_id)
            yield candidate

    def _candidate(self, ranked: Ranked) -> Candidate:
        offer_id, version, product = self._named(ranked.place)
        return Candidate(
            offer_id=offer_id,
            product_id=product,
            version=version,
            score=round(ranked.score, DIGITS),
            # In full: a threshold may be a probability that many scores share, and rounding would fall below it.
            probability=probability(ranked.score, self._bundle.calibration),
        )

    def _named(self, place: int) -> tuple[str, Version, str]:
        if place < len(self._plan.offered):
            arrival = self._plan.offered[place]
            return arrival.offer_id, arrival.version, self._product_of_row[place]
        known = self._plan.known[place - len(self._plan.offered)]
        return known.offer_id, known.version, known.product_id
