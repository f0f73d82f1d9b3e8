"""Decision by decision: what was published against what the shadow decided about the same versions."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from matcher.events.decision import Decision, Outcome
from matcher.model.bundle import Bundle
from matcher.rollout.examples import Changed, examples_of
from matcher.rollout.grouping import compare_groups
from matcher.rollout.published import Published
from matcher.rollout.result import After, Count, Flip, Outcomes, Rollout
from matcher.rollout.shadow import Shadow

Table = Mapping[str, Decision]


def compare(published: Published, shadow: Shadow, bundle: Bundle, *, features_topic: str, examples: int) -> Rollout:
    """Compares two tables that have taken all they get. `examples`: at most so many of each flip."""
    before, after = published.decisions, shadow.decisions
    same_version = [
        name for name, decision in after.items() if name in before and before[name].version == decision.version
    ]
    compared = [name for name in same_version if before[name].outcome != "reassigned"]
    changed = _changed(compared, before, after)
    agreeing = len(compared) - sum(map(len, changed.values()))
    return Rollout(
        bundle=bundle.fingerprint,
        bundle_name=bundle.name,
        note=bundle.note,
        features_topic=features_topic,
        offers=len(after),
        compared=len(compared),
        agreeing=agreeing,
        agreement=agreeing / len(compared) if compared else None,
        flips=tuple(
            Flip(before=was, after=becomes, count=len(ones), partner_absent=sum(one.partner_absent for one in ones))
            for (was, becomes), ones in sorted(changed.items(), key=lambda item: (-len(item[1]), item[0]))
        ),
        before=_outcomes([before[name] for name in compared]),
        after=_outcomes([after[name] for name in compared]),
        products=compare_groups([(before[name].product_id, after[name].product_id) for name in compared]),
        by_people=len(same_version) - len(compared),
        unpublished=len(after) - len(same_version),
        missing=len(before.keys() - after.keys() - shadow.withdrawn),
        since=published.since,
        withdrawn=len(shadow.withdrawn),
        refused=_counts(shadow.refused),
        decided_by=_counts(Counter(before[name].model for name in compared)),
        examples=examples_of(changed, before, after, shadow.offers, examples),
    )


def _changed(names: Sequence[str], before: Table, after: Table) -> dict[tuple[Outcome, After], list[Changed]]:
    changed: dict[tuple[Outcome, After], list[Changed]] = defaultdict(list)
    for name in names:
        was, becomes = before[name], _becomes(before[name], after[name], before, after)
        if was.outcome != becomes:
            absent = _partner_absent(was, after[name], after)
            changed[was.outcome, becomes].append(Changed(offer_id=name, partner_absent=absent))
    return changed


def _becomes(was: Decision, now: Decision, before: Table, after: Table) -> After:
    if was.outcome == now.outcome == "matched":
        return "matched" if _same_product(was, now, before, after) else "matched_elsewhere"
    assert now.outcome != "reassigned"
    return now.outcome


def _same_product(was: Decision, now: Decision, before: Table, after: Table) -> bool:
    """Whether two matches of one offer mean the same: by the offers they name, since each run names its products."""
    one, other = was.matched_offer_id, now.matched_offer_id
    assert one is not None
    assert other is not None
    return one == other or any(
        one in table and other in table and table[one].product_id == table[other].product_id
        for table in (before, after)
    )


def _partner_absent(was: Decision, now: Decision, after: Table) -> bool:
    """Whether the offer that a published match or question rests on does not stand before this one in today's log."""
    if was.matched_offer_id is None or was.outcome == "new_product":
        return False
    partner = after.get(was.matched_offer_id)
    return partner is None or partner.cause.partition != now.cause.partition or partner.cause.offset > now.cause.offset


def _outcomes(decisions: Sequence[Decision]) -> Outcomes:
    counted = Counter(decision.outcome for decision in decisions)
    reviews = counted["needs_review"]
    return Outcomes(
        matched=counted["matched"],
        needs_review=reviews,
        new_product=counted["new_product"],
        automatic=len(decisions) - reviews,
        reviews_per_1000=1000 * reviews / len(decisions) if decisions else None,
    )


def _counts(counted: Counter[str]) -> tuple[Count, ...]:
    return tuple(Count(name, count) for name, count in sorted(counted.items(), key=lambda item: (-item[1], item[0])))
