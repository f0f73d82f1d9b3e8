"""What a rehearsal says in words: the outcomes, what its figures leave out, and what it cannot know."""

from matcher.rollout.result import Rollout

#: What people read for an outcome or for what becomes of it.
KINDS = {
    "matched": "matched",
    "matched_elsewhere": "matched with another product",
    "needs_review": "needs review",
    "new_product": "new product",
    "reassigned": "reassigned",
}


def notes(rollout: Rollout) -> list[str]:
    """One line for each thing in this rehearsal that one has to know to read its figures."""
    absent = sum(flip.partner_absent for flip in rollout.flips)
    found = [
        (rollout.by_people, "offers were decided by people, whom no bundle overrules: left out"),
        (rollout.unpublished, "offers have no published decision on the version that was decided here: left out"),
        (rollout.missing, "published decisions have no features that this bundle could decide: left out"),
        (rollout.since, "records were published on what came after the end of this rehearsal: left out"),
        (absent, "of the changes may be the log's doing: the offer matched or in question stands before them no more"),
    ]
    lines = [f"{count:,} {what}" for count, what in found if count]
    lines += [f"{entry.count:,} records would be dead letters: {entry.name}" for entry in rollout.refused]
    own = sum(entry.count for entry in rollout.decided_by if entry.name == rollout.bundle)
    if own:
        lines.append(f"{own:,} of the published decisions are this very bundle's: where they differ, the log changed")
    if not rollout.compared:
        lines.append("nothing could be compared: there is no published decision on any of these versions")
    return lines


def limits() -> tuple[str, ...]:
    """What no rehearsal can know."""
    return (
        "The features topic is compacted: older versions of offers are gone; the last ones are decided in the order in "
        "which they stand now, each against those before it.",
        "What people answered, or would answer, is not played: an offer for review keeps a product of its own.",
        "Nothing here says which decision is right, and switching changes no published one.",
    )
