"""What the decisions say, taken by themselves: order, names, products, work-list."""

from collections import Counter
from collections.abc import Iterator

from msgspec import DecodeError, json

from chaos.audit.evidence import Evidence, Held, is_first
from chaos.audit.findings import Finding
from matcher.deciding.identity import product_id, review_id
from matcher.events.decision import Decision, read_decision
from matcher.events.envelope import Record, Seen
from matcher.events.place import Version
from matcher.events.reading import Unreadable
from matcher.events.review import ReviewTask


def once(evidence: Evidence) -> Iterator[Finding]:
    """No version has two decisions; what a person or the time adds later is none."""
    counted: Counter[Version] = Counter()
    for record in evidence.matches:
        seen = Seen.of(record.headers)
        if is_first(record) and seen.version is not None:
            counted[seen.version] += 1
    for version, count in counted.items():
        if count > 1:
            what = f"version {version}: {count} decisions on {evidence.names.matches}"
            yield Finding("repeated", what, str(version))


def in_order(evidence: Evidence) -> Iterator[Finding]:
    """Features and decisions stand in the order of what caused them; the versions of an offer rise."""
    last_cause: dict[tuple[str, str, int], tuple[int, Record]] = {}
    for record in (*evidence.features, *evidence.matches):
        cause = Seen.of(record.headers).cause
        if cause is None or not is_first(record):
            continue
        line = (record.topic, cause.topic, cause.partition)
        before = last_cause.get(line)
        if before is not None and cause.offset < before[0]:
            yield Finding("disorder", f"{record.place}, caused by {cause}, stands after {before[1].place}")
        last_cause[line] = (cause.offset, record)
    newest: dict[bytes | None, Version] = {}
    for record in evidence.matches:
        version = Seen.of(record.headers).version
        if version is None:
            yield Finding("unreadable", f"{record.place} tells no version")
            continue
        known = newest.get(record.key)
        if known is not None and (version < known or version.partition != known.partition):
            yield Finding("disorder", f"{record.place}: version {version} of {record.key!r} after version {known}")
        newest[record.key] = version


def products(evidence: Evidence) -> Iterator[Finding]:
    """A product is named after the version that founded it; who joins one joins an offer that is in it then."""
    table: dict[str, str] = {}
    founded: set[str] = set()
    for record in evidence.matches:
        offer_id = (record.key or b"").decode(errors="replace")
        if record.value is None:
            table.pop(offer_id, None)
            continue
        try:
            decision = read_decision(record.value)
        except Unreadable as error:
            yield Finding("unreadable", f"{record.place}: {error}")
            continue
        yield from _agrees_with_headers(record, decision)
        own = product_id(decision.offer_id, decision.version)
        if decision.outcome in ("new_product", "needs_review"):
            if decision.product_id != own:
                yield Finding("product", f"{record.place}: {decision.outcome} as {decision.product_id}, expected {own}")
            founded.add(own)
        elif decision.product_id not in founded:
            yield Finding("product", f"{record.place}: {decision.product_id} was founded by no version")
        elif decision.outcome == "matched" and (
            decision.matched_offer_id == decision.offer_id
            or table.get(decision.matched_offer_id or "") != decision.product_id
        ):
            where = table.get(decision.matched_offer_id or "")
            yield Finding(
                "product",
                f"{record.place}: matched {decision.matched_offer_id} into {decision.product_id}, which was in {where}",
            )
        table[decision.offer_id] = decision.product_id


def _agrees_with_headers(record: Record, decision: Decision) -> Iterator[Finding]:
    seen = Seen.of(record.headers)
    said = (record.key, seen.version, seen.cause, seen.type)
    meant = (decision.offer_id.encode(), decision.version, decision.cause, decision.type)
    if said != meant:
        yield Finding("contradiction", f"{record.place}: key and headers say {said}, the decision {meant}")


def work_list(evidence: Evidence) -> Iterator[Finding]:
    """One item for each decision that asks a person, and no other."""
    asked: Counter[tuple[str, str]] = Counter()
    for record in evidence.matches:
        if record.value is not None and Seen.of(record.headers).type == "offer.needs_review":
            try:
                decision = read_decision(record.value)
            except Unreadable:  # told by `products`
                continue
            if decision.review_id != review_id(decision.offer_id, decision.version):
                yield Finding("contradiction", f"{record.place}: review {decision.review_id} of another version")
            asked[decision.review_id or "", decision.product_id] += 1
    items: Counter[tuple[str, str]] = Counter()
    for record in evidence.needs_review:
        try:
            task = json.decode(record.value or b"", type=ReviewTask)
        except DecodeError as error:
            yield Finding("unreadable", f"{record.place}: {error}")
            continue
        items[task.review_id, task.product_id] += 1
    for one in asked - items:
        yield Finding("lost", f"review {one[0]} was decided and is not on the work list")
    for one in items - asked:
        yield Finding("repeated", f"review {one[0]} is on the work list more often than it was decided")


def table_of(evidence: Evidence) -> dict[str, Held]:
    """`matches` as a table: offer → its last version and product."""
    table: dict[str, Held] = {}
    for record in evidence.matches:
        version = Seen.of(record.headers).version
        if version is not None:
            product = None if record.value is None else json.decode(record.value, type=dict).get("product_id")
            table[(record.key or b"").decode(errors="replace")] = (version, product)
    return table
