"""Every record is accounted for: those of `offers` by features or dead letters, those of `offer-features` likewise."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from chaos.audit.evidence import Evidence, is_first
from chaos.audit.findings import Finding
from matcher.events.dead_letter import first_place, offer_version, read_dead_letter
from matcher.events.envelope import Record, Seen
from matcher.events.place import Place, Version


class Letters(Struct, frozen=True, kw_only=True):
    """Dead letters by the first place of what they were, of one input topic."""

    by_place: Mapping[Place, int]

    @classmethod
    def of(cls, records: Iterable[Record], topic: str) -> "Letters":
        found = (read_dead_letter(record.headers) for record in records)
        return cls(by_place=Counter(one.place for one in found if one is not None and one.place.topic == topic))


class Fate(Struct, frozen=True, kw_only=True):
    """What became of one record of `offer-features`."""

    record: Record
    version: Version | None
    ends: str  # decided, dead, superseded, again


def encoder_accounts(evidence: Evidence) -> Iterator[Finding]:
    """Each record of `offers` has led to one record of features or one dead letter, and nothing else has."""
    letters = Letters.of(evidence.dead_letters, evidence.names.offers).by_place
    derived = Counter(cause for record in evidence.features if (cause := Seen.of(record.headers).cause) is not None)
    places = {record.place for record in evidence.offers}
    copies: dict[Version, list[Record]] = defaultdict(list)
    newest: dict[bytes | None, int] = {}
    for record in evidence.offers:
        copies[offer_version(record)].append(record)
        newest[record.key] = record.offset
    for version, records in copies.items():
        first = Place(evidence.names.offers, version.partition, version.offset)
        made = sum(derived[record.place] for record in records)
        dead = letters.get(first, 0)
        wanted = len(records)
        overtaken = evidence.supersedes and any(newest[record.key] > record.offset for record in records)
        if made + dead < wanted and not overtaken:
            what = f"{first}: {wanted} record(s) with this version, {made} with features, {dead} dead letter(s)"
            yield Finding("lost", what, str(version))
        if made + dead > wanted or any(derived[record.place] > 1 for record in records):
            what = f"{first}: {wanted} record(s) with this version, {made} with features, {dead} dead letter(s)"
            yield Finding("repeated", what, str(version))
    for cause in derived.keys() - places:
        if cause.topic == evidence.names.offers:
            yield Finding("groundless", f"features caused by {cause}, which is no record of {evidence.names.offers}")
    known = {Place(evidence.names.offers, version.partition, version.offset) for version in copies}
    for place in letters.keys() - known:
        yield Finding("groundless", f"a dead letter of {place}, which is no record of {evidence.names.offers}")


def fates(evidence: Evidence) -> tuple[list[Fate], list[Finding]]:
    """What became of each record of `offer-features`, in its order; and where none or too much of it did."""
    topic = evidence.names.features
    letters = dict(Letters.of(evidence.dead_letters, topic).by_place)
    first_ones = filter(is_first, evidence.matches)
    decisions = Counter(cause for record in first_ones if (cause := Seen.of(record.headers).cause) is not None)
    last: dict[bytes | None, Version] = {}
    found: list[Fate] = []
    wrong: list[Finding] = []
    for record in evidence.features:
        version = Seen.of(record.headers).version
        first = first_place(record)
        dead = letters.pop(first, 0) if first == record.place else 0
        decided = decisions.pop(record.place, 0)
        known = last.get(record.key)
        ends = "decided"
        if dead:
            ends = "dead"
        elif version is not None and known is not None and version <= known:
            ends = "again" if version == known else "superseded"
        elif version is not None:
            last[record.key] = version
        found.append(Fate(record=record, version=version, ends=ends))
        count = decided + dead
        if count > (ends in ("decided", "dead")):
            what = f"{record.place} ({ends}): {decided} decision(s), {dead} dead letter(s)"
            wrong.append(Finding("repeated", what, str(version or record.place)))
        elif ends == "decided" and not decided:
            what = f"{record.place}, version {version}: neither a decision nor a dead letter"
            wrong.append(Finding("lost", what, str(version or record.place)))
    wrong += [
        Finding("groundless", f"a decision caused by {cause}, which is no record of {topic}")
        for cause in decisions
        if cause.topic == topic
    ]
    wrong += [Finding("groundless", f"a dead letter of {place}, which is no record of {topic}") for place in letters]
    return found, wrong


def accepted(evidence: Evidence) -> Iterator[Finding]:
    """Kafka still has what it acknowledged."""
    for topic, records in ((evidence.names.offers, evidence.offers), (evidence.names.features, evidence.features)):
        if topic not in evidence.accepted:
            continue
        # Strangers' records on features name no cause; the encoders' are counted by theirs.
        there = [r for r in records if topic == evidence.names.offers or Seen.of(r.headers).cause is None]
        sent = evidence.accepted[topic]
        if not sent <= len(there) <= sent + evidence.unsure.get(topic, 0):
            yield Finding("unkept", f"{topic}: Kafka acknowledged {sent} records to their senders, it has {len(there)}")
