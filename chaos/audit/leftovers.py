"""What is left when all is done: committed offsets, open transactions, the matchers' state and index."""

from collections.abc import Iterator, Mapping, Sequence

from chaos.audit.decisions import table_of
from chaos.audit.evidence import Evidence, StateCopy
from chaos.audit.findings import Finding
from matcher.events.envelope import Outgoing, Record


def offsets(evidence: Evidence) -> Iterator[Finding]:
    """Both groups have committed exactly up to the last record of their input."""
    for name, records, committed in (
        (evidence.names.offers, evidence.offers, evidence.encoder_offsets),
        (evidence.names.features, evidence.features, evidence.matcher_offsets),
    ):
        last: dict[int, int] = {}
        for record in records:
            last[record.partition] = record.offset + 1
        for partition in sorted(last.keys() | committed.keys()):
            offset, end = committed.get(partition), last.get(partition, 0)
            if (offset or 0) != end:
                yield Finding("offset", f"{name}/{partition}: committed {offset}, expected {end}")


def transactions(evidence: Evidence) -> Iterator[Finding]:
    """Nothing was left open: it would hide what others commit behind it."""
    for (topic, partition), ends in evidence.ends.items():
        if ends.committed != ends.written:
            yield Finding("open", f"{topic}/{partition}: visible up to {ends.committed} of {ends.written}")


def states(evidence: Evidence) -> Iterator[Finding]:
    """Each state, the index that is made from it, and the table that `matches` is, are the same."""
    table = table_of(evidence)
    live = {offer_id for offer_id, (_, product) in table.items() if product is not None}
    inputs = max((record.offset + 1 for record in evidence.features), default=0)
    for state in evidence.states:
        for problem in state.problems:
            yield Finding("state", f"{state.name}: {problem}")
        yield from _differences(f"{state.name}: last version and product", state.offers, table)
        for offer_id in sorted(live ^ state.live.keys()):
            where = "in the index, but gone" if offer_id in state.live else "not in the index"
            yield Finding("state", f"{state.name}: offer {offer_id} is {where}")
        applied = state.applied.get(evidence.names.features, 0)
        if applied < inputs:
            yield Finding("state", f"{state.name}: has applied the features up to {applied} of {inputs}")


def as_calm(evidence: Evidence) -> Iterator[Finding]:
    """The very records that one undisturbed matcher publishes on the same features, and the state that it has then."""
    if evidence.calm is not None:
        for name, records in (
            (evidence.names.matches, evidence.matches),
            (evidence.names.needs_review, evidence.needs_review),
        ):
            calm = [outgoing for outgoing in evidence.calm if outgoing.topic == name]
            yield from _same_records(name, records, calm)
    if evidence.calm_state is not None:
        for state in evidence.states:
            yield from _differences(f"{state.name}: embedding", state.live, evidence.calm_state.live)


def _same_records(name: str, records: Sequence[Record], calm: Sequence[Outgoing]) -> Iterator[Finding]:
    if len(records) != len(calm):
        yield Finding("different", f"{name}: {len(records)} records, an undisturbed matcher publishes {len(calm)}")
    for ours, theirs in zip(records, calm, strict=False):
        if (ours.key, ours.value, ours.headers) != (theirs.key, theirs.value, theirs.headers):
            yield Finding("different", f"{ours.place}: {ours.value!r}, an undisturbed matcher says {theirs.value!r}")
            return  # one that is missing or too many shifts all that follow


def _differences(what: str, ours: Mapping[str, object], theirs: Mapping[str, object]) -> Iterator[Finding]:
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            yield Finding("state", f"{what} of offer {key}: {ours.get(key)}, expected {theirs.get(key)}")


def described(state: StateCopy) -> str:
    """For the log."""
    return f"{state.name}: {len(state.offers)} offers, {len(state.live)} live, {len(state.problems)} problems"
