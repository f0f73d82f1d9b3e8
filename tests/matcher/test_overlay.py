"""Offers in flight: however far applying lags behind, a batch is decided as if all before it had been applied."""

import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from matcher.arrays import F32Array
from matcher.deciding.batch import Decided, Gone, Skipped, Step, decide_batch
from matcher.deciding.content import Content
from matcher.deciding.known import Hit, Known
from matcher.deciding.overlay import Overlay
from matcher.events.envelope import Record
from matcher.events.offer import Offer
from matcher.events.place import Version
from matcher.memory import Memory
from matcher.model.bundle import Bundle
from tests.examples import examples
from tests.matcher import test_brand_blocks
from tests.matcher.exact_memory import ExactMemory
from tests.matcher.making import a_bundle
from tests.matcher.test_batch import (
    BUNDLES,
    CUTS,
    LOOKS,
    METRICS,
    QUICK,
    Event,
    by_the_book,
    decide,
    embedding,
    outcomes,
    record_of,
    records_of,
    streams,
    told,
)


class TornMemory:
    """A memory that applies `steps`: offers that change are found, at every look, as before, as after or not at all."""

    def __init__(self, before: ExactMemory, after: ExactMemory, steps: Sequence[Step], dice: random.Random) -> None:
        self._before = before
        self._after = after
        self._changing = {
            step.arrival.offer_id
            for step in steps
            if isinstance(step, Decided | Gone) or (isinstance(step, Skipped) and step.vector is not None)
        }
        self._decided = {step.arrival.offer_id for step in steps if isinstance(step, Decided | Gone)}
        self._dice = dice

    def versions(self, offer_ids: Sequence[str]) -> Mapping[str, Version]:
        assert not self._decided & set(offer_ids), "what is in flight is known without asking"
        return self._before.versions(offer_ids)

    def products(self, offer_ids: Sequence[str]) -> Mapping[str, str]:
        assert not self._decided & set(offer_ids), "what is in flight is known without asking"
        return self._before.products(offer_ids)

    def nearest(
        self,
        vectors: F32Array,
        k: int,
        not_sellers: Sequence[str | None] | None,
        by_brand: Sequence[Offer] | None = None,
    ) -> Sequence[Sequence[Hit]]:
        shown = ExactMemory()
        shown.live = {name: known for name, known in self._before.live.items() if name not in self._changing}
        shown.said = {**self._before.said}
        for name in sorted(self._changing):
            source = self._dice.choice([self._before, self._after, None])
            if source is not None and name in source.live:
                shown.live[name], shown.said[name] = source.live[name], source.said[name]
        return shown.nearest(vectors, k, not_sellers, by_brand)

    def contents(self, known: Sequence[Known]) -> Sequence[Content]:
        assert not self._changing & {one.offer_id for one in known}, "an offer in flight is compared in memory"
        return self._before.contents(known)


def decide_overlapping(
    records: Sequence[Record], bundle: Bundle, cuts: Sequence[int], dice: random.Random
) -> list[Step]:
    """The steps of the stream `records`, cut into batches at `cuts`, which are applied whenever the dice say so."""
    before, after = ExactMemory(), ExactMemory()
    steps: list[Step] = []
    flight: list[list[Step]] = []
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(records)}), len(records)]
    for start, end in itertools.pairwise(edges):
        while flight and dice.random() < 0.4:
            before.apply(flight.pop(0))
        unapplied = [step for batch in flight for step in batch]
        memory = Overlay(TornMemory(before, after, unapplied, dice), unapplied)
        batch = decide_batch(records[start:end], memory, bundle, METRICS)
        flight.append(batch)
        after.apply(batch)
        steps += batch
    return steps


TWINS = [Event(offer, 100 + n, "shirt", "x") for n, offer in enumerate("abcdefg")]


@settings(QUICK, max_examples=examples(80))
@given(streams(), CUTS, BUNDLES, st.integers(0, 2**32))
@example([*TWINS, Event("h", 120, "shirt", "y")], [2, 4, 7], a_bundle(), 3)
@example(
    [Event("a", 1, "shirt"), Event("a", 1, "shoe"), Event("b", 2, "shoe"), Event("c", 3, "shirt")],
    [1, 2],
    a_bundle(),
    0,
)
@example(
    [Event("a", 1, "shirt"), Event("b", 2, "shirt"), Event("a", 3, None), Event("c", 4, "shirt")], [2, 3], a_bundle(), 0
)
def test_however_far_applying_lags_behind_the_decisions_are_those_of_one_by_one(
    events: list[Event], cuts: list[int], bundle: Bundle, seed: int
) -> None:
    records = records_of(events)
    steps = decide_overlapping(records, bundle, cuts, random.Random(seed))
    assert [told(step) for step in steps] == by_the_book(events, bundle)
    assert outcomes(steps) == outcomes(decide(records, bundle, range(1, len(records))))


@settings(QUICK, max_examples=examples(40))
@given(test_brand_blocks.branded_streams(), CUTS, test_brand_blocks.BUNDLES, st.integers(0, 2**32))
def test_so_it_is_with_blocks_of_brands(events: list[Event], cuts: list[int], bundle: Bundle, seed: int) -> None:
    steps = decide_overlapping(records_of(events), bundle, cuts, random.Random(seed))
    assert [told(step) for step in steps] == by_the_book(events, bundle)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(streams(), CUTS, BUNDLES, st.integers(0, 2**32))
def test_so_it_is_over_the_state_and_the_index_of_the_matcher(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event], cuts: list[int], bundle: Bundle, seed: int
) -> None:
    dice, records = random.Random(seed), records_of(events)
    folder: Path = tmp_path_factory.mktemp("state")
    memory = Memory(folder, bundle, 0, ("offer-features", "matches"), 1)
    steps: list[Step] = []
    flight: list[tuple[list[Step], int]] = []
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(records)}), len(records)]
    try:
        for start, end in itertools.pairwise(edges):
            unapplied = [step for batch, _ in flight for step in batch]
            while flight and dice.random() < 0.4:  # after the overlay was laid: applied while it is used
                batch, until = flight.pop(0)
                memory.apply_steps(batch, {("offer-features", 0): until})
            batch = decide_batch(records[start:end], Overlay(memory, unapplied), bundle, METRICS)
            flight.append((batch, end))
            steps += batch
    finally:
        memory.close()
    assert [told(step) for step in steps] == by_the_book(events, bundle)


@settings(QUICK, max_examples=examples(80))
@given(streams(), st.integers(0, 30), st.integers(0, 2**32), st.booleans())
def test_what_lies_over_the_memory_is_what_the_memory_will_be(
    events: list[Event], cut: int, seed: int, exclude: bool
) -> None:
    dice, bundle, records = random.Random(seed), a_bundle(), records_of(events)
    before, after = ExactMemory(), ExactMemory()
    decide(records[:cut], bundle, memory=before)
    decide(records[:cut], bundle, memory=after)
    steps = decide_batch(records[cut:], before, bundle, METRICS)
    after.apply(steps)
    overlay = Overlay(TornMemory(before, after, steps, dice), steps)
    names = [*"abcdefghi"]
    assert overlay.versions(names) == after.versions(names)
    assert overlay.products(names) == after.products(names)
    queries = np.array([embedding(Event("q", 0, look), bundle) for look in LOOKS])
    sellers = [None, "x", "", "y", "nobody", "z"] if exclude else None
    for k in range(1, 9):
        for mine, its in zip(overlay.nearest(queries, k, sellers), after.nearest(queries, k, sellers), strict=True):
            assert [(hit.known.offer_id, hit.known.version, hit.known.product_id, hit.score) for hit in mine] == [
                (hit.known.offer_id, hit.known.version, hit.known.product_id, hit.score) for hit in its
            ]
            contents = overlay.contents([hit.known for hit in mine])
            assert [content.offer for content in contents] == [after.said[hit.known.offer_id].offer for hit in its]


def test_what_is_in_flight_hides_all_that_the_memory_finds_and_more_is_fetched() -> None:
    memory = ExactMemory()
    bundle = a_bundle()
    decide(records_of([Event(chr(ord("b") + n), n, "shirt", "x") for n in range(20)]), bundle, memory=memory)
    gone = [record_of(Event(chr(ord("b") + n), 100 + n, None), 100 + n) for n in range(19)]
    withdrawn = decide_batch(gone, memory, bundle, METRICS)
    (step,) = decide_batch([record_of(Event("a", 200, "shirt"), 200)], Overlay(memory, withdrawn), bundle, METRICS)
    assert isinstance(step, Decided)
    assert step.decision.matched_offer_id == chr(ord("b") + 19)
