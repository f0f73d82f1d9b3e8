"""Brand blocks in the matcher: what an offer sees follows from two offers alone, however the stream was cut."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import matcher.memory
from index_store.errors import StateMismatch
from index_store.store import ANY_BLOCK, NO_BLOCK
from index_store.verify import verify
from matcher.brands import BrandRule, BrandTable, block_name, read_brand, searched_blocks
from matcher.deciding.batch import Decided, Gone, Step, decide_batch
from matcher.deciding.steps import Skipped
from matcher.evaluation.blocking import brand_rule
from matcher.events.offer import Offer
from matcher.memory import Memory, Published
from matcher.model.bundle import Bundle
from tests.examples import examples
from tests.matcher.exact_memory import sees
from tests.matcher.making import a_bundle
from tests.matcher.test_batch import (
    CUTS,
    METRICS,
    QUICK,
    Event,
    by_the_book,
    decide,
    outcomes,
    records_of,
    told,
)

#: One brand in several spellings, one that only a title names, parts of each other, others, and none.
BRANDS = [None, "N/A", "H&M", "Hennes & Mauritz AB", "Park Tool", "parktol", "Park", "QBP", "Nike", "NIKE Inc.", "Puma"]
TITLES = [None, "Park Tool wrench", "shoe by h & m", "nike puma shoe", "wrench"]
BUNDLES = st.builds(
    a_bundle, candidates=st.sampled_from([3, 4]), exclude_own_seller=st.booleans(), brand_blocks=st.just(True)
)
TOPICS = ("offer-features", "matches")


@st.composite
def branded_streams(draw: st.DrawFn) -> list[Event]:
    """Up to 24 events on few offers that look alike; brands come, go and change with each version."""
    events = []
    newest: dict[str, int] = {}
    for number in range(draw(st.integers(1, 24))):
        offer = draw(st.sampled_from("abcdefgh"))
        known = newest.get(offer)
        age = draw(st.sampled_from(["new", "new", "new", "same", "older"])) if known is not None else "new"
        version = {"new": number + 100, "same": known, "older": (known or 0) - 1}[age]
        newest[offer] = max(version, known or 0)
        look = draw(st.sampled_from(["shirt", "shirt", "shirt", "shirt in another light", "shoe", None]))
        seller = draw(st.sampled_from([None, "x", "y"]))
        brand, title = draw(st.sampled_from(BRANDS)), draw(st.sampled_from(TITLES))
        events.append(Event(offer, version, look, seller, None, brand, title))
    return events


def brands_in(memory: Memory) -> dict[str, str | None]:
    """The brand of each live offer, whatever the number of its block."""
    _, of_offer = blocks_in(memory)
    names = {number: name for name, number in memory.stores()[0].block_names().items()}
    return {offer: names[block] if block != NO_BLOCK else None for offer, block in of_offer.items()}


def brands_by_the_book(events: Sequence[Event], bundle: Bundle) -> dict[str, str | None]:
    names, of_offer = blocks_by_the_book(events, bundle)
    return {offer: names[block] if block != NO_BLOCK else None for offer, block in of_offer.items()}


def opened(folder: Path, bundle: Bundle) -> Memory:
    return Memory(folder, bundle, 0, TOPICS, 1)


def branded(offer: str, version: int, brand: str | None, title: str | None = None) -> Event:
    return Event(offer, version, "shirt", None, None, brand, title)


#: One offer that changes its brand again and again, and another that takes up an old one.
REPLACED = [
    branded("a", 1, "Nike"),
    branded("a", 2, "Puma"),
    branded("a", 3, "Fila"),
    branded("a", 4, "Asics"),
    branded("b", 5, "Puma"),
]


@QUICK
@given(branded_streams(), CUTS, BUNDLES)
@example([branded("a", 1, "Puma"), branded("b", 2, "Nike"), branded("c", 3, "Puma")], [1], a_bundle(brand_blocks=True))
def test_wherever_a_branded_stream_is_cut_the_decisions_are_those_of_one_by_one(
    events: list[Event], cuts: list[int], bundle: Bundle
) -> None:
    assert [told(step) for step in decide(records_of(events), bundle, cuts)] == by_the_book(events, bundle)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(branded_streams(), CUTS, st.sets(st.integers(0, 8)), BUNDLES, st.booleans())
@example([branded(offer, 100 + n, BRANDS[n]) for n, offer in enumerate("abcdefgh")], [3, 5], {1}, a_bundle(), False)
@example(REPLACED, [1, 2, 3, 4], {1, 2, 3, 4}, a_bundle(brand_blocks=True), True)
def test_so_it_is_with_a_state_that_is_closed_and_opened_in_between(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    events: list[Event],
    cuts: list[int],
    restarts: set[int],
    bundle: Bundle,
    forgetful: bool,
) -> None:
    monkeypatch.setattr(matcher.memory, "MOST_UNUSED", 0 if forgetful else 1_000)
    folder, records = tmp_path_factory.mktemp("state"), records_of(events)
    steps: list[Step] = []
    memory = opened(folder, bundle)
    for number, part in enumerate(pieces(len(records), cuts)):
        if number in restarts:
            memory.close()
            memory = opened(folder, bundle)
        batch = decide_batch([records[at] for at in part], memory, bundle, METRICS)
        memory.apply_steps(batch, {("offer-features", 0): part.stop})
        steps += batch
        found = verify(*memory.stores())
        assert found.ok, found.problems
    try:
        assert [told(step) for step in steps] == by_the_book(events, bundle)
        if forgetful:
            assert brands_in(memory) == brands_by_the_book(events, bundle)
        else:
            assert blocks_in(memory) == blocks_by_the_book(events, bundle)
    finally:
        memory.close()


def test_a_start_forgets_brands_that_no_live_offer_has_if_they_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matcher.memory, "MOST_UNUSED", 2)
    bundle, records = a_bundle(brand_blocks=True), records_of(REPLACED)
    for end, names in ((3, ["nike", "puma", "fila"]), (4, ["nike", "puma", "fila", "asics"]), (5, ["asics", "puma"])):
        memory = opened(tmp_path, bundle)
        at = memory.positions().get(("offer-features", 0), 0)
        memory.apply_steps(decide_batch(records[at:end], memory, bundle, METRICS), {("offer-features", 0): end})
        assert list(memory.stores()[0].block_names()) == names
        memory.close()


@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(branded_streams(), CUTS, CUTS, BUNDLES)
def test_who_follows_the_log_numbers_blocks_as_who_decided(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event], cuts: list[int], others: list[int], bundle: Bundle
) -> None:
    folder, records = tmp_path_factory.mktemp("state"), records_of(events)
    decider, follower = opened(folder / "one", bundle), opened(folder / "two", bundle)
    try:
        steps = decide(records, bundle, cuts, decider)
        for part in pieces(len(records), others):
            batch = [steps[at] for at in part]
            arrivals = [step.arrival for step in batch if isinstance(step, Decided | Skipped)]
            arrivals = [arrival for arrival in arrivals if arrival.features is not None]
            published = [one for step in batch if (one := published_of(step)) is not None]
            follower.follow(arrivals, published, {("offer-features", 0): part.stop})
        assert blocks_in(follower) == blocks_in(decider)
        asked = records_of(
            [*events, branded("z", 900, "Park"), branded("y", 901, "Nike", "Park Tool"), branded("x", 902, None)]
        )
        asked = asked[len(events) :]
        mine, theirs = (decide_batch(asked, memory, bundle, METRICS) for memory in (decider, follower))
        assert outcomes(mine) == outcomes(theirs)
    finally:
        decider.close()
        follower.close()


def pieces(length: int, cuts: Sequence[int]) -> list[range]:
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < length}), length]
    return [range(start, end) for start, end in itertools.pairwise(edges)]


def published_of(step: Step) -> Published | None:
    if isinstance(step, Decided):
        one = step.decision
        return Published(offer_id=one.offer_id, version=one.version, decision=one, time_ms=0)
    if isinstance(step, Gone):
        return Published(offer_id=step.arrival.offer_id, version=step.arrival.version, decision=None, time_ms=0)
    return None


def blocks_in(memory: Memory) -> tuple[list[str], dict[str, int]]:
    """The names of the blocks by number, and the block of each live offer."""
    state, _ = memory.stores()
    of_offer = {}
    for keys, _, _, blocks in state.live_vectors():
        rows = state.rows(keys)
        of_offer |= {rows[key].offer_id: block for key, block in zip(keys.tolist(), blocks.tolist(), strict=True)}
    return list(state.block_names()), of_offer


def blocks_by_the_book(events: Sequence[Event], bundle: Bundle) -> tuple[list[str], dict[str, int]]:
    if not bundle.search.brand_blocks:
        return [], {event.offer: NO_BLOCK for event in events}
    brands = [read_brand(event.brand) if event.look else None for event in events]
    names = list(dict.fromkeys(brand.name for brand in brands if brand))
    last: dict[str, int] = {}
    live: dict[str, int] = {}
    for event, brand in zip(events, brands, strict=True):
        known = last.get(event.offer, -1)
        if event.version < known or (event.version == known and (event.look is None or event.offer not in live)):
            continue
        last[event.offer] = event.version
        live.pop(event.offer, None)
        if event.look is not None:
            live[event.offer] = names.index(brand.name) if brand else NO_BLOCK
    return names, live


offers = st.builds(
    Offer, offer_id=st.just("a"), brand=st.sampled_from(BRANDS), title=st.sampled_from([*TITLES, "Hennes & Mauritz"])
)


@given(st.lists(offers, min_size=1, max_size=8), st.randoms())
def test_batches_index_and_evaluation_see_by_the_same_rule(found: list[Offer], random) -> None:
    expected = [[sees(asking, other) for other in found] for asking in found]
    assert [BrandRule(found).seen_by(asking).tolist() for asking in found] == expected
    everyone = np.arange(len(found))
    assert brand_rule(found)(everyone, everyone).tolist() == expected
    table = BrandTable()
    for offer in random.sample(found, len(found)):
        table.block(offer.brand)
    rows = searched_blocks(table, found)
    blocks = [table.block(offer.brand) for offer in found]
    assert [[row[0] == ANY_BLOCK or block == NO_BLOCK or block in row for block in blocks] for row in rows] == expected


def test_an_offer_with_a_brand_meets_compatible_brands_and_the_brandless_alone() -> None:
    bundle = a_bundle(brand_blocks=True)
    events = [branded("a", 1, "Nike"), branded("c", 2, "Puma"), branded("e", 3, None), branded("g", 4, "nike")]
    for cuts in ([], [1, 2, 3]):
        steps = decide(records_of(events), bundle, cuts)
        assert [step.decision.matched_offer_id for step in steps] == [None, None, "a", "a"]
    unblocked = decide(records_of(events), a_bundle())
    assert [step.decision.matched_offer_id for step in unblocked] == [None, "a", "a", "a"]


def test_a_brand_in_the_title_adds_candidates_and_excludes_none() -> None:
    bundle = a_bundle(brand_blocks=True)
    known = [branded("a", 1, "Nike"), branded("c", 2, "QBP")]
    asked = [branded("e", 3, "Puma", "Nike shirt"), branded("g", 4, None, "QBP shirt")]
    steps = decide(records_of([*known, asked[0]]), bundle)
    assert steps[-1].decision.matched_offer_id == "a"
    steps = decide(records_of([*known, asked[1]]), bundle)
    assert steps[-1].decision.matched_offer_id == "a", "the older one, although the title names the other's brand"


def test_without_blocks_no_brand_is_read_and_none_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unread(*_: object) -> None:
        raise AssertionError("a brand was read")

    for place in (
        "matcher.rows.block_name",
        "matcher.searching.searched_blocks",
        "matcher.brands.rule.BrandRule.seen_by",
    ):
        monkeypatch.setattr(place, unread)
    events = [branded("a", 1, "Nike"), branded("b", 2, "Puma")]
    bundle, memory = a_bundle(), opened(tmp_path, a_bundle())
    steps = decide(records_of(events), bundle, [1], memory)
    assert steps[-1].decision.matched_offer_id == "a"
    assert blocks_in(memory) == ([], {"a": NO_BLOCK, "b": NO_BLOCK})
    memory.close()
    with pytest.raises(AssertionError, match="a brand was read"):
        decide(records_of(events), a_bundle(brand_blocks=True))


def test_a_state_whose_names_were_read_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = a_bundle(brand_blocks=True)
    opened(tmp_path, bundle).close()
    monkeypatch.setattr("matcher.memory.READING", 99)
    with pytest.raises(StateMismatch, match=r"blocks 1, not 99.*rebuilt from the log"):
        opened(tmp_path, bundle)


def test_the_name_of_a_block_is_the_canonical_name_of_the_brand() -> None:
    named = {brand: block_name(Offer(offer_id="a", brand=brand)) for brand in BRANDS}
    assert (named["H&M"], named["Hennes & Mauritz AB"], named["N/A"], named[None]) == ("h m", "h m", None, None)
