"""The batch rule: wherever a stream is cut, its offers are decided as if they had come one by one."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from matcher.deciding.batch import Decided, Gone, Refused, Skipped, Step, decide_batch
from matcher.deciding.content import Content
from matcher.deciding.identity import product_id, review_id
from matcher.deciding.known import Known, Memory, exact_scores
from matcher.events.envelope import Record
from matcher.events.features import read_features
from matcher.events.offer import Offer
from matcher.events.place import Version
from matcher.gtin import valid_gtin
from matcher.memory import Memory as RealMemory
from matcher.metrics import Metrics
from matcher.model.bundle import Bundle
from matcher.model.calibration import probability
from matcher.model.projection import project
from matcher.money import numbers_of
from matcher.verifier.scoring import cosine_pairs
from matcher.verifier.traits import read_traits
from tests.examples import examples
from tests.matcher.exact_memory import ExactMemory, sees
from tests.matcher.making import a_bundle, features_of, features_record_of, half, withdrawal_record_of

METRICS = Metrics()

#: Products as vectors: two that are close to each other (siblings), one with a twin that differs a little, one apart.
LOOKS = {
    "shirt": [1.0, 0.0, 0.0, 0.0],
    "shirt in another light": [0.99, 0.1, 0.0, 0.0],
    "shirt with a collar": [0.9, 0.4, 0.0, 0.0],
    "jacket": [0.7, 0.7, 0.0, 0.0],
    "shoe": [0.0, 0.0, 1.0, 0.0],
    "boot": [0.0, 0.0, 0.8, 0.5],
}
GTINS = [None, "4006381333931", "12345670", "not a code"]


class Event(NamedTuple):
    """One record in short. `version` is an offset; features come from `look`, None withdraws the offer. `title` None:
    the look."""

    offer: str
    version: int
    look: str | None
    seller: str | None = None
    gtin: str | None = None
    brand: str | None = None
    title: str | None = None


def offer_of(event: Event) -> Offer:
    title = event.title or event.look
    return Offer(offer_id=event.offer, seller_id=event.seller, gtin=event.gtin, title=title, brand=event.brand)


def record_of(event: Event, offset: int) -> Record:
    # Versions of one offer share a partition of `offers`; those of different offers may not.
    version = Version(ord(event.offer) % 2, event.version)
    if event.look is None:
        return withdrawal_record_of(event.offer, version, offset)
    return features_record_of(features_of(offer_of(event), version, LOOKS[event.look], [1.0, 0.0, 0.0, 0.0]), offset)


def records_of(events: Sequence[Event]) -> list[Record]:
    return [record_of(event, offset) for offset, event in enumerate(events)]


def decide(records: Sequence[Record], bundle: Bundle, cuts: Sequence[int] = (), memory=None) -> list[Step]:
    """The steps of the stream `records`, cut into batches at `cuts`, each applied before the next is decided."""
    memory = ExactMemory() if memory is None else memory
    steps: list[Step] = []
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(records)}), len(records)]
    for start, end in itertools.pairwise(edges):
        batch = decide_batch(records[start:end], memory, bundle, METRICS)
        steps += batch
        if isinstance(memory, RealMemory):
            memory.apply_steps(batch, {("offer-features", 0): end})
        else:
            memory.apply(batch)
    return steps


def outcomes(steps: Sequence[Step]) -> list[tuple]:
    """What the world sees of the steps, evidence and candidates included."""
    return [
        (step.decision, step.shown, step.vector.tobytes())
        if isinstance(step, Decided)
        else (type(step).__name__, getattr(step, "why", None))
        for step in steps
    ]


# --- the reference: one offer at a time, every known offer compared, nothing shared with the code under test ----------


def by_the_book(events: Sequence[Event], bundle: Bundle) -> list[tuple]:
    """(what, product, matched offer, score, review) for each event, decided plainly one by one."""
    last: dict[str, int] = {}
    live: dict[str, tuple[Event, Version, str, np.ndarray]] = {}
    told = []
    for event in events:
        if event.offer in last and event.version <= last[event.offer]:
            again = event.version == last[event.offer] and event.look is not None and event.offer in live
            if again:
                live[event.offer] = (event, live[event.offer][1], live[event.offer][2], embedding(event, bundle))
            told.append(("reindexed" if again else "superseded", None, None, None, None))
            continue
        last[event.offer] = event.version
        live.pop(event.offer, None)
        if event.look is None:
            told.append(("gone", None, None, None, None))
            continue
        version, vector = Version(ord(event.offer) % 2, event.version), embedding(event, bundle)
        ranked = []
        for other, its_version, product, its_vector in live.values():
            own = event.seller is not None and event.seller == other.seller
            blocked = bundle.search.brand_blocks and not sees(offer_of(event), offer_of(other))
            if not (own and bundle.search.exclude_own_seller) and not blocked:
                score = sum(float(a) * float(b) for a, b in zip(vector, its_vector, strict=True))
                ranked.append((-score, its_version, product, other))
        ranked.sort(key=lambda entry: entry[:2])
        ranked = verified(event, ranked[: bundle.search.candidates], bundle)
        what, product, matched, score, review = by_the_thresholds(event, version, ranked, bundle)
        told.append((what, product, matched, score, review))
        live[event.offer] = (event, version, product, vector)
    return told


def verified(event: Event, ranked: list[tuple], bundle: Bundle) -> list[tuple]:
    """The same candidates in the order of the bundle's verifier, if it has one, each pair scored by itself."""
    if bundle.pair_verifier is None:
        return ranked
    rescored = [(-pair_score(event, other, bundle), version, product, other) for _, version, product, other in ranked]
    return sorted(rescored, key=lambda entry: entry[0])


def pair_score(one: Event, other: Event, bundle: Bundle) -> float:
    """Log odds of two offers alone, read from their events; looked up where the same two were scored before."""
    key = (bundle.fingerprint, *one[2:], *other[2:])
    if key not in SCORED:
        SCORED[key] = score_alone(one, other, bundle)
    return SCORED[key]


SCORED: dict[tuple, float] = {}


def score_alone(one: Event, other: Event, bundle: Bundle) -> float:
    verifier = bundle.pair_verifier
    assert verifier is not None
    events = [read_features(None, record_of(event, 0).value or b"") for event in (one, other)]
    vectors = {
        "embedding_cosine": project(events, bundle),
        "image_cosine": np.stack([event.image_vector() for event in events]),
        "text_cosine": np.stack([event.text_vector() for event in events]),
    }
    left, right = np.array([0]), np.array([1])
    cosines = {name: cosine_pairs(vectors[name], left, right) for name in verifier.cosines}
    table = verifier.table([read_traits(event.offer, float(numbers_of(event.offer)[2])) for event in events])
    return float(verifier.scores(verifier.read(table, left, right, cosines)).astype(np.float32)[0])


def by_the_thresholds(event: Event, version: Version, ranked: list[tuple], bundle: Bundle) -> tuple:
    own = product_id(event.offer, version)
    if not ranked:
        return "new_product", own, None, None, None
    chances = [round(probability(-entry[0], bundle.calibration), 6) for entry in ranked]
    _, _, product, best = ranked[0]
    score, review = round(-ranked[0][0], 6), review_id(event.offer, version)
    rivals = [chance for chance, entry in zip(chances, ranked, strict=True) if entry[2] != product]
    codes = {valid_gtin(event.gtin), valid_gtin(best.gtin)} - {None}
    limits = bundle.thresholds
    if chances[0] < limits.review:
        return "new_product", own, best.offer, score, None
    close = bool(rivals) and rivals[0] >= limits.accept and chances[0] - rivals[0] < limits.margin
    if chances[0] < limits.accept or len(codes) == 2 or close:
        return "needs_review", own, best.offer, score, review
    return "matched", product, best.offer, score, None


def embedding(event: Event, bundle: Bundle) -> np.ndarray:
    assert event.look is not None
    offer = Offer(offer_id=event.offer)
    return project([features_of(offer, Version(0, 0), LOOKS[event.look], [1.0, 0.0, 0.0, 0.0])], bundle)[0]


def told(step: Step) -> tuple:
    if isinstance(step, Decided):
        d = step.decision
        return d.outcome, d.product_id, d.matched_offer_id, d.score, d.review_id
    return (step.why if isinstance(step, Skipped) else "gone", None, None, None, None)


# --- streams ----------------------------------------------------------------------------------------------------------


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """Up to 30 events on few offers: new, repeated and older versions, updates, withdrawals and returns."""
    events = []
    newest: dict[str, int] = {}
    for number in range(draw(st.integers(1, 30))):
        offer = draw(st.sampled_from("abcdefgh"))
        known = newest.get(offer)
        age = draw(st.sampled_from(["new", "new", "new", "same", "older"])) if known is not None else "new"
        version = {"new": number + 100, "same": known, "older": (known or 0) - 1}[age]
        newest[offer] = max(version, known or 0)
        look = draw(st.sampled_from([*LOOKS, *list(LOOKS)[:2], None]))
        events.append(
            Event(offer, version, look, draw(st.sampled_from([None, "x", "y", "z"])), draw(st.sampled_from(GTINS)))
        )
    return events


CUTS = st.lists(st.integers(1, 30), max_size=8)
BUNDLES = st.builds(
    a_bundle,
    candidates=st.sampled_from([3, 4]),
    exclude_own_seller=st.booleans(),
    margin=st.sampled_from([0.0, 0.05, 0.5]),
)
QUICK = settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])

TWINS_OF_FOUR = [Event(offer, 100 + n, "shirt") for n, offer in enumerate("abcde")]


@QUICK
@given(streams(), CUTS, BUNDLES)
@example([*TWINS_OF_FOUR, *(Event(offer, 110, "shoe") for offer in "ab"), Event("f", 120, "shirt")], [5], a_bundle())
@example([Event("a", 1, "shirt"), Event("a", 1, "shoe"), Event("b", 2, "shoe")], [], a_bundle())
@example([Event("a", 1, "shirt"), Event("a", 1, "shoe"), Event("b", 2, "shoe")], [1], a_bundle())
@example([Event("a", 1, "shirt"), Event("a", 2, None), Event("a", 2, "shirt"), Event("b", 3, "shirt")], [2], a_bundle())
def test_wherever_a_stream_is_cut_the_decisions_are_those_of_one_by_one(
    events: list[Event], cuts: list[int], bundle: Bundle
) -> None:
    records = records_of(events)
    cut = decide(records, bundle, cuts)
    assert [told(step) for step in cut] == by_the_book(events, bundle)
    assert outcomes(cut) == outcomes(decide(records, bundle, range(1, len(records))))


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(streams(), CUTS, BUNDLES)
@example([Event(offer, 200 - n, "shirt") for n, offer in enumerate("abcdefgh")], [1, 2, 3, 4, 5, 6, 7], a_bundle())
@example([Event(offer, 200 - n, "shirt") for n, offer in enumerate("abcdefgh")], [3, 7], a_bundle())
def test_so_it_is_with_the_state_and_the_index_of_the_matcher(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event], cuts: list[int], bundle: Bundle
) -> None:
    folder: Path = tmp_path_factory.mktemp("state")
    memory = RealMemory(folder, bundle, 0, ("offer-features", "matches"), 1)
    try:
        steps = decide(records_of(events), bundle, cuts, memory)
    finally:
        memory.close()
    assert [told(step) for step in steps] == by_the_book(events, bundle)


@QUICK
@given(streams(), CUTS, BUNDLES)
def test_an_offer_never_matches_itself_nor_its_seller_nor_what_is_gone(
    events: list[Event], cuts: list[int], bundle: Bundle
) -> None:
    live: dict[str, Event] = {}
    for event, step in zip(events, decide(records_of(events), bundle, cuts), strict=True):
        if isinstance(step, Decided):
            seen = [step.decision.matched_offer_id, *(one.candidate.offer_id for one in step.shown)]
            others = {offer for offer in seen if offer is not None}
            assert event.offer not in others
            assert others <= live.keys()
            if bundle.search.exclude_own_seller and event.seller is not None:
                assert event.seller not in {live[offer].seller for offer in others}
            for one in step.shown:
                assert (one.candidate.version.offset, one.offer.title) == (
                    live[one.offer.offer_id].version,
                    live[one.offer.offer_id].look,
                )
        if isinstance(step, Gone):
            live.pop(event.offer, None)
        elif isinstance(step, Decided) or (isinstance(step, Skipped) and step.why == "reindexed"):
            live[event.offer] = event


# --- single cases, in words -------------------------------------------------------------------------------------------


def decide_together(*events: Event, bundle: Bundle | None = None) -> list[Step]:
    return decide(records_of(events), bundle or a_bundle())


def decisions(steps: Sequence[Step]) -> list:
    return [step.decision for step in steps if isinstance(step, Decided)]


def test_twins_that_arrive_together_meet() -> None:
    first, second = decisions(decide_together(Event("a", 1, "shirt"), Event("b", 2, "shirt")))
    assert (first.outcome, first.product_id) == ("new_product", product_id("a", Version(1, 1)))
    assert (second.outcome, second.product_id, second.matched_offer_id) == ("matched", first.product_id, "a")
    assert second.score == pytest.approx(1.0, abs=1e-3)
    assert second.cause.offset == 1


def test_each_offer_sees_only_what_came_before() -> None:
    first, second = decisions(decide_together(Event("a", 9, "shirt"), Event("b", 1, "shirt in another light")))
    assert first.matched_offer_id is None
    assert second.matched_offer_id == "a"


def test_a_doubtful_offer_gets_a_product_of_its_own_and_a_place_on_the_work_list() -> None:
    steps = decide_together(Event("a", 1, "shirt"), Event("b", 2, "jacket"))
    doubtful = steps[1]
    assert isinstance(doubtful, Decided)
    decision = doubtful.decision
    assert (decision.outcome, decision.review_reason) == ("needs_review", "band")
    assert decision.product_id == product_id("b", Version(0, 2))
    assert decision.review_id == review_id("b", Version(0, 2))
    assert [(one.candidate.offer_id, one.offer.title) for one in doubtful.shown] == [("a", "shirt")]
    assert [{e.name for e in one.evidence} for one in doubtful.shown] == [{"image_similarity", "text_similarity"}]


def test_an_offer_that_changed_leaves_its_old_look_behind() -> None:
    steps = decide_together(
        Event("a", 1, "shirt"), Event("a", 2, "shoe"), Event("b", 3, "shirt"), Event("c", 4, "shoe")
    )
    old, changed, shirt, shoe = decisions(steps)
    assert changed.matched_offer_id is None
    assert changed.product_id != old.product_id
    assert shirt.outcome == "new_product"
    assert (shoe.outcome, shoe.product_id) == ("matched", changed.product_id)


def test_what_is_withdrawn_matches_nobody_and_may_come_back_as_another_product() -> None:
    memory = ExactMemory()
    first = decide(records_of([Event("a", 1, "shirt")]), a_bundle(), memory=memory)
    back = decide_batch(
        [record_of(event, 10 + n) for n, event in enumerate([
            Event("a", 2, None), Event("b", 3, "shirt"), Event("a", 4, "shirt"), Event("a", 2, None),
        ])],
        memory, a_bundle(), METRICS,
    )  # fmt: skip
    assert [type(step) for step in back] == [Gone, Decided, Decided, Skipped]
    b, a = decisions(back)
    assert b.outcome == "new_product"
    assert (a.outcome, a.product_id) == ("matched", b.product_id)
    assert a.product_id != decisions(first)[0].product_id


def test_the_same_version_again_publishes_nothing_but_brings_its_features() -> None:
    steps = decide_together(
        Event("a", 1, "shirt"),
        Event("a", 1, "shoe"),
        Event("b", 2, "shirt"),
        Event("c", 3, "shoe"),
        Event("a", 0, "boot"),
    )
    first, again, shirt, shoe, older = steps
    assert isinstance(first, Decided)
    assert isinstance(shirt, Decided)
    assert isinstance(shoe, Decided)
    assert isinstance(again, Skipped)
    assert again.why == "reindexed"
    assert shirt.decision.outcome == "new_product"
    assert (shoe.decision.matched_offer_id, shoe.decision.product_id) == ("a", first.decision.product_id)
    assert isinstance(older, Skipped)
    assert (older.why, older.vector) == ("superseded", None)


def test_features_of_a_version_that_was_withdrawn_since_do_not_bring_it_back() -> None:
    steps = decide_together(Event("a", 1, None), Event("a", 1, "shirt"), Event("b", 2, "shirt"))
    assert isinstance(steps[1], Skipped)
    assert steps[1].why == "superseded"
    assert decisions(steps)[0].matched_offer_id is None


def test_offers_without_a_seller_may_match_each_other() -> None:
    assert (
        decisions(decide_together(Event("a", 1, "shirt", None), Event("b", 2, "shirt", None)))[1].outcome == "matched"
    )


@pytest.mark.parametrize(("exclude", "outcome"), [(True, "new_product"), (False, "matched")])
def test_offers_of_one_seller_match_only_where_the_bundle_says_so(exclude: bool, outcome: str) -> None:
    steps = decide_together(
        Event("a", 1, "shirt", "x"), Event("b", 2, "shirt", "x"), bundle=a_bundle(exclude_own_seller=exclude)
    )
    assert decisions(steps)[1].outcome == outcome


@pytest.mark.parametrize("cuts", [[], [4], [40], range(1, 41)])
@pytest.mark.parametrize("real", [False, True])
def test_of_equal_candidates_the_older_version_wins_however_many_there_are(
    tmp_path: Path, real: bool, cuts: Sequence[int]
) -> None:
    # One seller's, so that they do not match each other; the later an offer is decided, the older its version.
    many = [Event(chr(0x4E00 + 2 * n), 200 - n, "shirt", "x") for n in range(40)]
    records, bundle = records_of([*many, Event("b", 300, "shirt", "y")]), a_bundle()
    memory = RealMemory(tmp_path, bundle, 0, ("offer-features", "matches"), 1) if real else ExactMemory()
    last = decisions(decide(records, bundle, cuts, memory))[-1]
    assert last.matched_offer_id == many[-1].offer
    if isinstance(memory, RealMemory):
        memory.close()


def test_a_twin_with_another_gtin_goes_to_a_person() -> None:
    other = decisions(decide_together(Event("a", 1, "shirt", gtin=GTINS[1]), Event("b", 2, "shirt", gtin=GTINS[2])))[1]
    assert (other.outcome, other.review_reason) == ("needs_review", "conflict")
    assert {e.name: e.favours for e in other.evidence}["gtin_differs"] == "difference"


class Watched(ExactMemory):
    """Remembers whose contents were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def contents(self, known: Sequence[Known]) -> Sequence[Content]:
        self.asked += [one.offer_id for one in known]
        return super().contents(known)


@pytest.mark.parametrize(
    ("offer", "look", "outcome", "asked"),
    [
        ("d", "shirt with a collar", "needs_review", ["b", "c", "z"]),
        ("e", "shoe", "new_product", ["d"]),
        ("f", "shoe", "matched", ["e"]),
    ],
)
def test_without_a_verifier_what_the_memory_holds_is_read_of_those_that_somebody_looks_at(
    offer: str, look: str, outcome: str, asked: list[str]
) -> None:
    memory = Watched()
    events = [
        Event("a", 1, "shirt", "x"),
        Event("b", 2, "shirt in another light", "x"),
        Event("c", 3, "jacket", "x"),
        Event("z", 4, "jacket", "x"),
        Event("d", 5, "shirt with a collar", "y"),
        Event("e", 6, "shoe", "x"),
        Event("f", 7, "shoe", "y"),
    ]
    place = next(place for place, event in enumerate(events) if event.offer == offer)
    decide(records_of(events[:place]), a_bundle(), memory=memory)
    memory.asked.clear()
    (last,) = decide_batch([record_of(events[place], place)], memory, a_bundle(), METRICS)
    assert isinstance(last, Decided)
    assert last.decision.outcome == outcome
    assert sorted(memory.asked) == asked
    assert {one.candidate.offer_id for one in last.shown} in (set(), set(asked))


def test_two_products_that_both_fit_are_ambiguous() -> None:
    events = [Event("a", 1, "shirt", "x"), Event("c", 2, "shirt", "x"), Event("e", 3, "shirt", "y")]
    ambiguous = decisions(decide_together(*events))[2]
    assert (ambiguous.outcome, ambiguous.review_reason, ambiguous.matched_offer_id) == (
        "needs_review",
        "ambiguous",
        "a",
    )
    assert {e.name for e in ambiguous.evidence} == {"image_similarity", "text_similarity", "score_of_next_product"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": b"\xc1"}, "bad_features"),
        ({"value": b""}, "bad_features"),
        ({"value": b"\x91" * 100_000}, "bad_features"),
        ({"key": b"someone else"}, "key_mismatch"),
        ({"encoder": "ffffffffffffffff"}, "foreign_encoder"),
        ({"image": [1.0, 0.0, 0.0]}, "wrong_dimensions"),
        ({"text": [1.0] * 5}, "wrong_dimensions"),
        ({"numbers": b"\0" * 8}, "wrong_dimensions"),
        ({"numbers": b"\0" * 11}, "bad_features"),
        ({"numbers": b""}, "bad_features"),
        ({"image": [float("nan"), 0.0, 0.0, 0.0]}, "bad_features"),
        ({"image": [float("inf"), 0.0, 0.0, 0.0]}, "bad_features"),
        ({"image": [0.0] * 4}, "bad_features"),
        ({"image": None}, "bad_features"),
        ({"offset": 2**63}, "bad_features"),
        ({"withdraws": (b"a", ())}, "no_version"),
        ({"withdraws": (b"a", (("ce_offerversion", b"soon"),))}, "no_version"),
        ({"withdraws": (b"a", (("ce_offerversion", b"0-99999999999999999999"),))}, "no_version"),
        ({"withdraws": (b"", (("ce_offerversion", b"0-1"),))}, "no_offer_id"),
        ({"withdraws": (None, (("ce_offerversion", b"0-1"),))}, "no_offer_id"),
        ({"withdraws": (b"\xff", (("ce_offerversion", b"0-1"),))}, "bad_offer_id"),
    ],
)
def test_a_record_that_cannot_be_used_is_refused_and_its_neighbours_are_decided(change: dict, reason: str) -> None:
    from msgspec.structs import replace

    features = features_of(Offer(offer_id="bad"), Version(0, change.get("offset", 5)), LOOKS["shoe"])
    for name in ("image", "text"):
        if name in change:
            features = replace(features, **{name: half(change[name])})
    for name in ("encoder", "numbers"):
        if name in change:
            features = replace(features, **{name: change[name]})
    bad = features_record_of(features, 1)
    for name in ("key", "value"):
        if name in change:
            bad = replace(bad, **{name: change[name]})
    if "withdraws" in change:
        key, headers = change["withdraws"]
        bad = replace(bad, key=key, value=None, headers=headers)
    steps = decide([record_of(Event("a", 1, "shirt"), 0), bad, record_of(Event("b", 2, "shirt"), 2)], a_bundle())
    refused = steps[1]
    assert isinstance(refused, Refused)
    assert (refused.failure.stage, refused.failure.reason) == ("matcher", reason)
    assert "expected" in refused.failure.message
    assert [decision.outcome for decision in decisions(steps)] == ["new_product", "matched"]


def test_an_empty_batch_decides_nothing() -> None:
    memory: Memory = ExactMemory()
    assert decide_batch([], memory, a_bundle(), METRICS) == []


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_scores_are_exact_whatever_the_order_of_summation(dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((3, dim)).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    vectors = rows.astype(np.float16).astype(np.float32)
    order = rng.permutation(dim)

    def scores(columns: np.ndarray) -> list[float]:
        return exact_scores(vectors[0][columns].astype(np.float64), vectors[:, columns]).tolist()

    plain = [sum(float(a) * float(b) for a, b in zip(vectors[0], row, strict=True)) for row in vectors]
    assert scores(np.arange(dim)) == scores(order) == plain
