"""The batch rule with a pair verifier: candidates are found by embedding, ranked by what the two offers say."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matcher.deciding import comparison
from matcher.deciding.batch import Decided, Step, decide_batch
from matcher.deciding.content import content_of
from matcher.events.decision import Evidence
from matcher.events.features import OfferFeatures
from matcher.events.offer import Offer, Price
from matcher.events.place import Version
from matcher.events.review import ReviewCandidate
from matcher.memory import Memory as RealMemory
from matcher.metrics import Metrics
from matcher.model.bundle import Bundle, fingerprint_of
from matcher.model.projection import project_arrays
from matcher.training.dataset import Dataset
from matcher.verifier.evidence import KIND_OF
from matcher.verifier.model import Verifier
from matcher.verifier.scoring import VerifierScorer, traits_of
from matcher.verifier.traits import Traits, read_traits
from tests.examples import examples
from tests.matcher.exact_memory import ExactMemory
from tests.matcher.making import a_bundle, features_of, features_record_of
from tests.matcher.test_batch import (
    CUTS,
    METRICS,
    Event,
    by_the_book,
    decide,
    decisions,
    outcomes,
    records_of,
    streams,
    told,
)
from tests.matcher.verified import a_verifier, learned, made_up, with_verifier

PLACES = ("offer-features", "matches")


@pytest.fixture(scope="session")
def verifier() -> Verifier:
    return a_verifier()


@pytest.fixture(scope="session")
def words() -> Verifier:
    """Reads no cosine at all."""
    return a_verifier(())


@pytest.fixture(scope="session")
def bundles(verifier: Verifier) -> Sequence[Bundle]:
    """With raw cosines and without, over embeddings that hold the modalities apart or mix them."""
    plain = a_verifier(("embedding_cosine",))
    return (
        with_verifier(a_bundle(), verifier),
        with_verifier(a_bundle(margin=0.5, exclude_own_seller=False), plain),
        with_verifier(learned(a_bundle(candidates=4)), verifier),
    )


SOME = settings(max_examples=examples(18), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SOME
@given(streams(), CUTS, st.integers(0, 2))
def test_wherever_a_stream_is_cut_the_decisions_are_those_of_one_by_one(
    bundles: Sequence[Bundle], events: list[Event], cuts: list[int], which: int
) -> None:
    records, bundle = records_of(events), bundles[which]
    cut = decide(records, bundle, cuts)
    assert [told(step) for step in cut] == by_the_book(events, bundle)
    assert outcomes(cut) == outcomes(decide(records, bundle, range(1, len(records))))


@SOME
@given(streams(), CUTS, st.integers(0, 2))
def test_so_it_is_with_the_state_of_the_matcher_and_when_it_starts_again_between_batches(
    tmp_path_factory: pytest.TempPathFactory,
    bundles: Sequence[Bundle],
    events: list[Event],
    cuts: list[int],
    which: int,
) -> None:
    folder, records, bundle = tmp_path_factory.mktemp("state"), records_of(events), bundles[which]
    steps: list[Step] = []
    for start, end in itertools.pairwise([0, *sorted({cut for cut in cuts if 0 < cut < len(records)}), len(records)]):
        memory = RealMemory(folder, bundle, 0, PLACES, 1)
        try:
            batch = decide_batch(records[start:end], memory, bundle, METRICS)
            memory.apply_steps(batch, {("offer-features", 0): end})
        finally:
            memory.close()
        steps += batch
    assert outcomes(steps) == outcomes(decide(records, bundle))


# --- training, evaluation and matcher see the same ------------------------------------------------------------------


def events_of(dataset: Dataset) -> list[OfferFeatures]:
    """What the encoder publishes: numbers in the offer's own currency."""
    features, events = dataset.features, []
    for row, offer in enumerate(dataset.offers):
        image = features.image[row].tolist() if features.has_image[row] else None
        events.append(features_of(offer, Version(0, row), image, features.text[row].tolist()))
    return events


def test_traits_are_those_of_training_to_the_bit(verifier: Verifier) -> None:
    dataset, bundle = made_up(products=12), with_verifier(a_bundle(), verifier)
    read = [content_of(event, bundle).traits for event in events_of(dataset)]
    trained = traits_of(dataset)
    for one, other in zip(read, trained, strict=True):
        assert one is not None
        assert in_full(one) == in_full(other)
    # Prices in euros are part of them.
    assert any(in_full(read_traits(offer)) != in_full(one) for offer, one in zip(dataset.offers, trained, strict=True))


def in_full(traits: Traits) -> dict[str, object]:
    fields = msgspec.structs.asdict(traits)
    return {name: value.tobytes() if isinstance(value, np.ndarray) else repr(value) for name, value in fields.items()}


@pytest.mark.parametrize("mixed", [False, True])
def test_scores_are_those_that_evaluation_gives(verifier: Verifier, mixed: bool, tmp_path: Path) -> None:
    dataset = made_up(products=12, seed=5)
    plain = a_bundle(exclude_own_seller=False)
    bundle = with_verifier(learned(plain) if mixed else plain, verifier)
    scorer = VerifierScorer(verifier, lambda some: project_arrays(some.features, bundle))
    memory = RealMemory(tmp_path, bundle, 0, PLACES, 1)
    records = [features_record_of(event, row) for row, event in enumerate(events_of(dataset))]
    try:
        found = decisions(decide(records, bundle, range(0, len(records), 7), memory))
    finally:
        memory.close()
    row_of = {offer.offer_id: row for row, offer in enumerate(dataset.offers)}
    rows = np.array([(row_of[d.offer_id], row_of[d.matched_offer_id]) for d in found if d.matched_offer_id])
    scores = scorer(dataset, rows[:, 0], rows[:, 1]).tolist()
    assert len(rows) == len(dataset) - 1
    assert [d.score for d in found if d.matched_offer_id] == [round(score, 6) for score in scores]


# --- single cases, in words -------------------------------------------------------------------------------------------

NEAR, FARTHER = [1.0, 0.0, 0.0, 0.0], [0.9, 0.4, 0.0, 0.0]
FROM = {"brand": "Acme", "price": Price(amount=90.0, currency="EUR")}


def decide_together(*offers: tuple[Offer, list[float]], bundle: Bundle) -> list[Step]:
    events = [features_of(offer, Version(0, n), look, look) for n, (offer, look) in enumerate(offers)]
    return decide([features_record_of(event, n) for n, event in enumerate(events)], bundle)


def test_the_verifier_ranks_what_the_embeddings_found(words: Verifier) -> None:
    asked = Offer(offer_id="c", title="Acme shirt 9041 long", **FROM)
    same, other = (
        Offer(offer_id="a", title="Acme shirt 9041 red", **FROM),
        Offer(offer_id="b", title="Acme drill 8052 2 GB"),
    )
    offers = ((same, FARTHER), (other, NEAR), (asked, NEAR))
    assert decisions(decide_together(*offers, bundle=a_bundle()))[2].matched_offer_id == "b"
    decision = decisions(decide_together(*offers, bundle=with_verifier(a_bundle(), words)))[2]
    assert (decision.matched_offer_id, decision.outcome) == ("a", "matched")


def test_of_equal_log_odds_the_better_embedding_wins_then_the_older_version(words: Verifier) -> None:
    bundle = with_verifier(a_bundle(), words)
    flat = msgspec.structs.replace(
        bundle,
        pair_verifier=Verifier(names=words.names, idf=words.idf, forest=without_trees(words)),
    )
    offers = [Offer(offer_id=name, title="Acme lamp 128") for name in "abcd"]
    looks = [FARTHER, NEAR, NEAR, NEAR]
    last = decisions(decide_together(*zip(offers, looks, strict=True), bundle=flat))[-1]
    assert last.matched_offer_id == "b"


def without_trees(words: Verifier):
    """A forest that gives every pair the same score."""
    return replace(words.forest, roots=np.empty(0, np.int32))


def test_a_verifier_looks_only_at_as_many_candidates_as_the_bundle_says(words: Verifier) -> None:
    bundle = with_verifier(a_bundle(candidates=3), words)
    same = Offer(offer_id="z", title="Acme shirt 9041 red", **FROM)
    others = [Offer(offer_id=f"o{n}", title="Acme drill 8052 2 GB") for n in range(3)]
    asked = Offer(offer_id="c", title="Acme shirt 9041 long", **FROM)
    decision = decisions(decide_together((same, FARTHER), *((o, NEAR) for o in others), (asked, NEAR), bundle=bundle))[
        -1
    ]
    assert decision.matched_offer_id != "z"


def test_the_event_says_what_spoke_for_and_against(words: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = with_verifier(a_bundle(), words)
    one, other = (
        Offer(offer_id="a", title="Acme shirt 9041 red", **FROM),
        Offer(offer_id="b", title="Acme shirt 9041", **FROM),
    )
    _, decision = decisions(decide_together((one, NEAR), (other, FARTHER), bundle=bundle))
    by_verifier = [e for e in decision.evidence if e.name in KIND_OF]
    assert 1 <= len(by_verifier) <= 6
    assert decision.evidence[: len(by_verifier)] == tuple(by_verifier)
    assert "match" in {e.favours for e in by_verifier}
    assert [e.name for e in decision.evidence[len(by_verifier) :]] == ["image_similarity", "text_similarity"]
    monkeypatch.setattr(comparison, "TOLD", 1)
    _, short = decisions(decide_together((one, NEAR), (other, FARTHER), bundle=bundle))
    assert short.evidence == (by_verifier[0], *decision.evidence[len(by_verifier) :])


def test_each_candidate_that_a_reviewer_sees_has_its_own_evidence(words: Verifier) -> None:
    plain = with_verifier(a_bundle(exclude_own_seller=False), words)
    limits = msgspec.structs.replace(plain.thresholds, accept=None, review=0.0)
    bundle = msgspec.structs.replace(plain, thresholds=limits)
    bundle = msgspec.structs.replace(bundle, fingerprint=fingerprint_of(bundle))
    same = Offer(offer_id="a", title="Acme shirt 9041 red", gtin="4006381333931", **FROM)
    other = Offer(offer_id="b", title="Acme drill 8052 2 GB")
    asked = Offer(offer_id="c", title="Acme shirt 9041 long", gtin="96385074", **FROM)
    steps = decide_together((same, FARTHER), (other, NEAR), (asked, NEAR), bundle=bundle)
    last = steps[-1]
    assert isinstance(last, Decided)
    first, second = last.shown
    assert (first.offer, second.offer) == (same, other)
    assert Evidence("gtin_differs", 1.0, "difference") in first.evidence
    assert Evidence("gtin_differs", 1.0, "difference") not in second.evidence
    assert values(first)["image_similarity"] < values(second)["image_similarity"]
    assert set(first.evidence) <= set(last.decision.evidence)


def values(shown: ReviewCandidate) -> dict[str, float]:
    return {e.name: e.value for e in shown.evidence}


@pytest.mark.parametrize("has_image", [True, False])
def test_mixed_embeddings_have_evidence_by_modality_too(tmp_path: Path, has_image: bool) -> None:
    bundle = learned(a_bundle(exclude_own_seller=False))
    first = features_of(Offer(offer_id="a"), Version(0, 1), NEAR, NEAR)
    second = features_of(Offer(offer_id="b"), Version(0, 2), FARTHER if has_image else None, [2.0, 0.0, 0.0, 0.0])
    for cuts in ([], [1]):
        memory = RealMemory(tmp_path / str(cuts), bundle, 0, PLACES, 1)
        steps = decide([features_record_of(first, 0), features_record_of(second, 1)], bundle, cuts, memory)
        memory.close()
        seen = {e.name: e.value for e in decisions(steps)[1].evidence}
        assert seen.get("image_similarity") == (pytest.approx(0.913812, abs=1e-4) if has_image else None)
        assert seen["text_similarity"] == 1.0


def test_verifying_is_timed_as_a_stage_of_its_own(words: Verifier) -> None:
    metrics = Metrics()
    bundle = with_verifier(a_bundle(), words)
    decide_batch(records_of([Event("a", 1, "shirt"), Event("b", 2, "shirt")]), ExactMemory(), bundle, metrics)
    assert metrics.registry.get_sample_value("offermatch_verify_seconds_count") == 1
