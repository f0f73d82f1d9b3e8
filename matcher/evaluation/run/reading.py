"""From the records of the topics to the history of a run."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from matcher.evaluation.run.history import DeadLetterCount, FirstDecision, History, Withdrawal
from matcher.events.dead_letter import offer_version, read_dead_letter
from matcher.events.decision import Decision, read_decision
from matcher.events.envelope import Record, Seen
from matcher.events.place import Place, Version
from matcher.events.reading import Unreadable, read_offer
from matcher.events.review import ReviewTask
from matcher.settings import Topics

T = TypeVar("T")
Records = Iterable[Record]


def read_history(
    topics: Topics,
    *,
    offers: Records,
    dead_letters: Records,
    matches: Records,
    needs_review: Records,
    features: Callable[[], Records],
    with_sellers: bool,
) -> History:
    """Puts a run together from all that its topics hold, each read once, in the order of the arguments.

    `features` is asked for only where `matches` has lost a first decision. `with_sellers`: read the offers' sellers.
    Raises `Unreadable` for a decision or a work-list item that cannot be read.
    """
    intake = _Intake(topics)
    for record in offers:
        intake.offer(record, with_seller=with_sellers)
    for record in dead_letters:
        intake.dead_letter(record)
    log = _DecisionLog()
    for record in matches:
        log.add(record)
    log.add_tasks(needs_review)
    if log.lost():
        log.locate(features())
    decided = log.decided()
    refused = {version: kind for version, kind in intake.refused.items() if version not in decided}
    open_versions = intake.versions - decided - refused.keys()
    undecided = open_versions & set(intake.newest.values())
    return History(
        events=log.in_order(),
        table=log.table,
        sellers=intake.sellers,
        dead_letters=[
            DeadLetterCount(stage=stage, reason=reason, count=count)
            for (stage, reason), count in Counter(refused.values()).most_common()
        ],
        undecided=len(undecided),
        superseded=len(open_versions - undecided),
    )


class _Intake:
    """What came in: versions, and those of them that were refused."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self.versions: set[Version] = set()  # with a value: what there is to decide
        self.newest: dict[bytes, Version] = {}
        self.sellers: dict[str, str] = {}
        self.refused: dict[Version | Place, tuple[str, str]] = {}

    def offer(self, record: Record, *, with_seller: bool) -> None:
        version = offer_version(record)
        if record.value is not None:
            self.versions.add(version)
        # Without a key nothing supersedes it.
        key = record.key if record.key else str(version).encode()
        self.newest[key] = max(version, self.newest.get(key, version))
        if with_seller and record.value is not None:
            try:
                offer, _ = read_offer(record.key, record.value)
            except Unreadable:
                return
            if offer.seller_id is not None:
                self.sellers[offer.offer_id] = offer.seller_id

    def dead_letter(self, record: Record) -> None:
        """Only those of offers and their features: other dead letters are no offer's end."""
        letter = read_dead_letter(record.headers)
        if letter is None:
            return
        kind = letter.stage, letter.reason
        if letter.place.topic == self._topics.offers:
            self.refused[Version(letter.place.partition, letter.place.offset)] = kind
        elif letter.place.topic == self._topics.features:
            self.refused[Seen.of(record.headers).version or letter.place] = kind


class _Entry(Struct, frozen=True):
    """An event of the history, and the record of `offer-features` that caused it."""

    cause: Place | None
    event: FirstDecision | Withdrawal


class _DecisionLog:
    """What `matches` and `needs-review` say. `table`: offer → product as it stands."""

    def __init__(self) -> None:
        self.table: dict[str, str] = {}
        self._first: dict[tuple[str, Version], _Entry] = {}
        self._later: dict[tuple[str, Version], None] = {}
        self._withdrawn: list[_Entry] = []

    def add(self, record: Record) -> None:
        if record.value is None:
            offer_id = (record.key or b"").decode("utf-8", "replace")
            self.table.pop(offer_id, None)
            cause = Seen.of(record.headers).cause
            if cause is not None:
                self._withdrawn.append(_Entry(cause, Withdrawal(offer_id=offer_id, partition=cause.partition)))
            return
        decision = _readable(record, read_decision)
        self.table[decision.offer_id] = decision.product_id
        named = decision.offer_id, decision.version
        if decision.outcome == "reassigned":
            self._later[named] = None
        elif named not in self._first:
            self._first[named] = _Entry(decision.cause, _first(decision, record))

    def add_tasks(self, records: Records) -> None:
        """What reviewers were shown; and where a verdict has overwritten the decision to ask them, that decision."""
        for record in records:
            if record.value is None:
                continue
            task = _readable(record, _tasks.decode)
            named = task.offer.offer_id, task.version
            first = self._first.get(named)
            shown = tuple(entry.candidate.offer_id for entry in task.candidates)
            if first is not None and isinstance(first.event, FirstDecision):
                self._first[named] = _Entry(first.cause, msgspec.structs.replace(first.event, shown=shown))
            elif named in self._later:
                decision = FirstDecision(
                    offer_id=task.offer.offer_id,
                    partition=task.cause.partition,
                    outcome="needs_review",
                    shown=shown,
                    latency=_latency(record),
                )
                self._first[named] = _Entry(task.cause, decision)

    def lost(self) -> list[tuple[str, Version]]:
        """Versions that were reassigned and whose first decision nothing tells any more."""
        return [named for named in self._later if named not in self._first]

    def locate(self, features: Records) -> None:
        """Finds the causes of the lost decisions: the first record of each version's features."""
        lost = {version: offer_id for offer_id, version in self.lost()}
        causes: dict[Version, Place] = {}
        for record in features:
            version = Seen.of(record.headers).version
            if version in lost:
                causes.setdefault(version, record.place)
        for version, offer_id in lost.items():
            cause = causes.get(version)
            event = FirstDecision(offer_id=offer_id, partition=cause.partition if cause else 0, outcome=None)
            self._first[offer_id, version] = _Entry(cause, event)

    def decided(self) -> set[Version]:
        return {version for _, version in self._first}

    def in_order(self) -> list[FirstDecision | Withdrawal]:
        """By cause; one topic of features after the other, since a new one begins when an old one is given up."""
        entries = [*self._first.values(), *self._withdrawn]
        ranks: Mapping[str, int] = {
            topic: rank for rank, topic in enumerate(dict.fromkeys(e.cause.topic for e in entries if e.cause))
        }

        def place(entry: _Entry) -> tuple[int, int, int]:
            cause = entry.cause
            # One whose place is not known comes last: it is nobody's candidate then.
            return (ranks[cause.topic], cause.partition, cause.offset) if cause else (len(ranks), 0, 0)

        return [entry.event for entry in sorted(entries, key=place)]


def _first(decision: Decision, record: Record) -> FirstDecision:
    outcome = decision.outcome
    assert outcome != "reassigned"
    asked = outcome == "needs_review" and decision.matched_offer_id is not None
    return FirstDecision(
        offer_id=decision.offer_id,
        partition=decision.cause.partition,
        outcome=outcome,
        matched_offer_id=decision.matched_offer_id,
        shown=(decision.matched_offer_id,) if asked and decision.matched_offer_id else (),
        latency=_latency(record),
    )


def _latency(record: Record) -> float | None:
    """Seconds from event time to the record's; a seller's clock that is ahead gives 0."""
    time_ms = Seen.of(record.headers).time_ms
    return None if time_ms is None else max(0, record.timestamp_ms - time_ms) / 1000


def _readable(record: Record, read: Callable[[bytes], T]) -> T:
    try:
        return read(record.value or b"")
    except (Unreadable, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable("bad_decision", f"{record.place}: {error}") from None


_tasks = msgspec.json.Decoder(ReviewTask)
