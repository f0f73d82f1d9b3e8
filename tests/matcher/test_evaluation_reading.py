"""What a report finds in the topics: whatever order they have, and whatever compaction has taken."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
import pytest

from matcher.evaluation import FirstDecision, History, Withdrawal
from matcher.evaluation.run.history import DeadLetterCount
from matcher.evaluation.run.reading import read_history
from matcher.events import Candidate, Decision, Offer, Place, Record, ReviewTask, Unreadable, Version
from matcher.events.dead_letter import Failure, dead_letter
from matcher.events.envelope import Envelope, Outgoing
from matcher.events.review import ReviewCandidate
from matcher.settings import Topics

TOPICS = Topics()


def headers(version: Version, cause: Place, time_ms: int = 1_000) -> tuple[tuple[str, bytes], ...]:
    return Envelope(id="i", source="s", type="t", time_ms=time_ms, version=version, cause=cause).headers()


@dataclass
class Log:
    """Topics as lists of records; offsets count up, also over what is taken out afterwards."""

    offers: list[Record] = field(default_factory=list)
    dead_letters: list[Record] = field(default_factory=list)
    matches: list[Record] = field(default_factory=list)
    needs_review: list[Record] = field(default_factory=list)
    features: list[Record] = field(default_factory=list)
    asked_for_features: int = 0

    def offer(self, offer_id: str, value: bytes | None = b"{}", partition: int = 0) -> Version:
        self.offers.append(
            Record(topic="offers", partition=partition, offset=len(self.offers), key=offer_id.encode(), value=value)
        )
        return Version(partition, len(self.offers) - 1)

    def feature(self, version: Version) -> Place:
        place = Place("offer-features", 0, len(self.features))
        self.features.append(
            Record(
                topic=place.topic,
                partition=0,
                offset=place.offset,
                key=b"k",
                value=b"",
                headers=headers(version, Place("offers", version.partition, version.offset)),
            )
        )
        return place

    def decide(
        self, offer_id: str, outcome: str, version: Version, cause: Place, matched: str | None = None, at: int = 3_500
    ) -> None:
        decision = Decision(
            offer_id=offer_id,
            outcome=outcome,  # type: ignore[arg-type]
            product_id=f"product of {matched or offer_id}",
            version=version,
            cause=cause,
            model="m",
            matched_offer_id=matched,
        )
        self._match(offer_id, msgspec.json.encode(decision), version, cause, at)

    def gone(self, offer_id: str, version: Version, cause: Place) -> None:
        self._match(offer_id, None, version, cause, 0)

    def _match(self, offer_id: str, value: bytes | None, version: Version, cause: Place, at: int) -> None:
        self.matches.append(
            Record(
                topic="matches",
                partition=0,
                offset=len(self.matches),
                key=offer_id.encode(),
                value=value,
                headers=headers(version, cause),
                timestamp_ms=at,
            )
        )

    def task(self, offer_id: str, version: Version, cause: Place, *shown: str) -> None:
        task = ReviewTask(
            review_id="r",
            offer=Offer(offer_id=offer_id),
            version=version,
            cause=cause,
            product_id="p",
            reason="band",
            model="m",
            candidates=tuple(
                ReviewCandidate(
                    candidate=Candidate(offer_id=o, product_id="p", version=version, score=0.5, probability=0.5),
                    offer=Offer(offer_id=o),
                )
                for o in shown
            ),
        )
        self.needs_review.append(
            Record(
                topic="needs-review",
                partition=0,
                offset=0,
                key=b"k",
                value=msgspec.json.encode(task),
                headers=headers(version, cause),
                timestamp_ms=2_000,
            )
        )

    def refuse(self, record: Record, stage: str, reason: str) -> None:
        out = dead_letter(record, Failure(stage=stage, reason=reason, message=""), topic="dead-letters", now_ms=0)
        self.dead_letters.append(stored(out, len(self.dead_letters)))

    def history(self, *, with_sellers: bool = False) -> History:
        return read_history(
            TOPICS,
            offers=self.offers,
            dead_letters=self.dead_letters,
            matches=self.matches,
            needs_review=self.needs_review,
            features=self._features,
            with_sellers=with_sellers,
        )

    def _features(self) -> Iterable[Record]:
        self.asked_for_features += 1
        return self.features


def stored(out: Outgoing, offset: int) -> Record:
    return Record(topic=out.topic, partition=0, offset=offset, key=out.key, value=out.value, headers=out.headers)


def decided(history: History) -> list[tuple[str, str | None]]:
    return [(e.offer_id, e.outcome) for e in history.events if isinstance(e, FirstDecision)]


def test_decisions_come_in_the_order_of_their_causes_with_what_they_named_and_how_long_they_took() -> None:
    log = Log()
    versions = {name: log.offer(name) for name in ("a", "b", "c")}
    causes = {name: log.feature(versions[name]) for name in ("b", "c", "a")}
    for name, outcome, matched in (("a", "matched", "b"), ("c", "needs_review", "b"), ("b", "new_product", None)):
        log.decide(name, outcome, versions[name], causes[name], matched)
    log.task("c", versions["c"], causes["c"], "b", "a")
    history = log.history()
    assert history.events == [
        FirstDecision(offer_id="b", partition=0, outcome="new_product", latency=2.5),
        FirstDecision(
            offer_id="c", partition=0, outcome="needs_review", matched_offer_id="b", shown=("b", "a"), latency=2.5
        ),
        FirstDecision(offer_id="a", partition=0, outcome="matched", matched_offer_id="b", latency=2.5),
    ]
    assert history.table == {"a": "product of b", "b": "product of b", "c": "product of b"}
    assert (history.undecided, history.superseded, history.dead_letters) == (0, 0, [])
    assert log.asked_for_features == 0


def test_a_work_list_item_that_is_gone_leaves_the_best_candidate() -> None:
    log = Log()
    version = log.offer("a")
    log.decide("a", "needs_review", version, log.feature(version), "b")
    (event,) = log.history().events
    assert isinstance(event, FirstDecision)
    assert event.shown == ("b",)


def test_the_first_decision_of_each_version_counts_not_what_a_verdict_made_of_it() -> None:
    log = Log()
    one, two = log.offer("a"), log.offer("a")
    first, second = log.feature(one), log.feature(two)
    log.decide("a", "new_product", one, first)
    log.decide("a", "needs_review", two, second, "b")
    log.decide("a", "reassigned", two, Place("verdicts", 0, 0), "b")
    history = log.history()
    assert decided(history) == [("a", "new_product"), ("a", "needs_review")]
    assert history.table == {"a": "product of b"}


def test_a_question_that_a_verdict_overwrote_is_known_from_the_work_list() -> None:
    log = Log()
    version = log.offer("a")
    cause = log.feature(version)
    log.decide("a", "reassigned", version, Place("verdicts", 0, 0), "b")
    log.task("a", version, cause, "b", "c")
    assert log.history().events == [
        FirstDecision(offer_id="a", partition=0, outcome="needs_review", shown=("b", "c"), latency=1.0)
    ]
    assert log.asked_for_features == 0


def test_any_other_decision_that_was_overwritten_is_found_in_the_features_and_its_outcome_is_unknown() -> None:
    log = Log()
    a, b = log.offer("a"), log.offer("b")
    log.feature(a)
    cause = log.feature(b)
    log.decide("b", "new_product", b, cause)
    log.decide("a", "reassigned", a, Place("verdicts", 0, 0), "b")
    history = log.history()
    assert decided(history) == [("a", None), ("b", "new_product")]
    log.features.clear()
    assert decided(log.history()) == [("b", "new_product"), ("a", None)]


def test_a_withdrawal_stands_where_it_came_and_its_offer_leaves_the_table() -> None:
    log = Log()
    version, null = log.offer("a"), log.offer("a", None)
    cause, end = log.feature(version), log.feature(null)
    log.decide("a", "new_product", version, cause)
    log.gone("a", null, end)
    history = log.history()
    assert [type(event) for event in history.events] == [FirstDecision, Withdrawal]
    assert history.table == {}
    assert (history.undecided, history.superseded) == (0, 0)


def test_versions_without_a_decision_are_undecided_when_newest_and_superseded_otherwise() -> None:
    log = Log()
    log.offer("a")
    decided_version = log.offer("a")
    log.offer("b")
    log.offer("b")
    log.offer("c")
    log.offer("c", None)
    log.decide("a", "new_product", decided_version, log.feature(decided_version))
    history = log.history()
    assert history.undecided == 1  # the second b
    assert history.superseded == 3  # the first a, the first b, the withdrawn c


def test_records_without_a_key_are_each_an_offer_of_their_own() -> None:
    log = Log()
    for offset in range(2):
        log.offers.append(Record(topic="offers", partition=0, offset=offset, key=None, value=b"{}"))
    assert log.history().undecided == 2


def test_dead_letters_are_counted_once_for_each_version_and_not_when_it_was_decided_after_all() -> None:
    log = Log()
    versions = [log.offer(name) for name in ("a", "b", "c")]
    log.refuse(log.offers[0], "encoder", "not_json")
    again = stored(Outgoing(topic="offers", key=b"a", value=b"", headers=log.dead_letters[0].headers), 9)
    log.refuse(again, "encoder", "not_json")  # a replay that failed again: the same place, a second attempt
    for version in versions[1:]:
        log.feature(version)
        log.refuse(log.features[-1], "matcher", "foreign_encoder")
    log.decide("c", "new_product", versions[2], Place("offer-features", 0, 1))
    log.refuse(Record(topic="verdicts", partition=0, offset=0, key=None, value=b""), "matcher", "bad_verdict")
    log.dead_letters.append(Record(topic="dead-letters", partition=0, offset=9, key=None, value=b"not ours"))
    history = log.history()
    assert history.dead_letters == [
        DeadLetterCount(stage="encoder", reason="not_json", count=1),
        DeadLetterCount(stage="matcher", reason="foreign_encoder", count=1),
    ]
    assert (history.undecided, history.superseded) == (0, 0)


def test_what_was_replayed_is_no_version_of_its_own_and_never_the_newest() -> None:
    log = Log()
    old, newer, other = log.offer("a"), log.offer("a"), log.offer("b")
    for record in (log.offers[0], log.offers[2]):
        log.refuse(record, "encoder", "not_json")
    for letter in log.dead_letters:
        replayed = Outgoing(topic="offers", key=letter.key, value=letter.value, headers=letter.headers)
        log.offers.append(stored(replayed, len(log.offers)))
    history = log.history()
    assert (history.undecided, history.superseded) == (1, 0), "the second a; the others are dead letters"
    assert [one.count for one in history.dead_letters] == [2]
    log.decide("b", "new_product", other, log.feature(other))
    log.decide("a", "new_product", newer, log.feature(newer))
    log.dead_letters = []
    assert (log.history().undecided, log.history().superseded) == (0, 1), old


def test_sellers_are_read_from_the_offers_only_where_they_are_needed() -> None:
    log = Log()
    log.offer("a", b'{"offer_id":"a","seller_id":"s"}')
    log.offer("b", b'{"offer_id":"b"}')
    log.offer("c", b"not json")
    assert log.history(with_sellers=True).sellers == {"a": "s"}
    assert log.history().sellers == {}


def test_a_new_topic_of_features_follows_the_old_one() -> None:
    log = Log()
    a, b = log.offer("a"), log.offer("b")
    log.decide("a", "new_product", a, Place("offer-features", 0, 7))
    log.decide("b", "new_product", b, Place("offer-features-2", 0, 0))
    assert decided(log.history()) == [("a", "new_product"), ("b", "new_product")]


def test_a_decision_that_cannot_be_read_stops_the_report_with_its_place() -> None:
    log = Log()
    log.matches.append(Record(topic="matches", partition=0, offset=3, key=b"a", value=b"{}"))
    with pytest.raises(Unreadable, match="matches/0/3"):
        log.history()


def test_an_event_time_ahead_of_the_decision_is_a_latency_of_zero_and_none_is_none() -> None:
    log = Log()
    a, b = log.offer("a"), log.offer("b")
    log.decide("a", "new_product", a, log.feature(a), at=10)
    log.decide("b", "new_product", b, log.feature(b))
    log.matches[1] = msgspec.structs.replace(log.matches[1], headers=())
    assert [e.latency for e in log.history().events if isinstance(e, FirstDecision)] == [0.0, None]
