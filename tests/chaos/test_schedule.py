"""A run can be replayed: the schedule and the stream follow from the seed alone."""

from itertools import islice

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.faults import KILLS, KINDS, NOT_ALONE, schedule
from chaos.stream import Event, stream
from matcher.events.reading import Unreadable, read_offer
from producers.failpoints import POINTS

seeds = st.integers(0, 2**63)


@given(seed=seeds, kills=st.integers(0, 60), offers=st.integers(1, 100_000), nodes=st.sampled_from((1, 3)))
def test_the_same_seed_gives_the_same_faults_as_many_as_asked_for_and_in_order(seed, kills, offers, nodes):
    faults = schedule(seed, kills=kills, offers=offers, nodes=nodes)
    assert faults == schedule(seed, kills=kills, offers=offers, nodes=nodes)
    assert kills <= sum(fault.kills for fault in faults) <= kills + 1
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
    assert all(0 <= fault.at <= offers and 1 <= fault.node <= nodes for fault in faults)
    assert all(fault.point in ("", *POINTS) for fault in faults)


def test_another_seed_gives_another_schedule():
    assert len({schedule(seed, kills=20, offers=1_000, nodes=3) for seed in range(20)}) == 20


@given(seed=seeds)
def test_a_run_of_a_few_rounds_has_every_kind_and_a_lone_broker_is_never_killed(seed):
    for nodes, missing in ((3, set()), (1, set(NOT_ALONE))):
        faults = schedule(seed, kills=60, offers=1_000, nodes=nodes)
        assert {fault.kind for fault in faults} == set(KINDS) - missing


def test_faults_that_kill_nothing_cannot_fill_a_schedule():
    with pytest.raises(ValueError, match="expected a kind of fault that kills"):
        schedule(1, kills=1, offers=10, nodes=1, kinds=[kind for kind in KINDS if kind not in KILLS])


@given(seed=seeds)
def test_the_same_seed_gives_the_same_offers(seed):
    assert list(islice(stream(seed, 30, "http://host"), 100)) == list(islice(stream(seed, 30, "http://host"), 100))


def test_the_stream_has_all_that_sellers_do_and_what_is_doomed_cannot_be_read():
    events = list(islice(stream(7, 100, "http://host"), 4_000))

    def readable(event: Event) -> bool:
        try:
            offer, _ = read_offer(event.key, event.value or b"")
        except Unreadable:
            return False
        return bool(offer.title or offer.image_urls)

    offered = [event for event in events if event.to == "offers" and event.value is not None]
    assert {readable(event) for event in offered if event.doomed} == {False}
    assert {readable(event) for event in offered if not event.doomed} == {True}
    assert any(event.value is None and event.again is None for event in events), "deletions"
    assert any(event.to == "features" for event in events), "strangers on the features"
    assert any(len(event.value or b"") > 800_000 for event in offered), "large ones"
    assert any(msgspec.json.decode(event.value).get("image_urls") for event in offered if not event.doomed), "photos"
    for event in events:
        if event.again is not None:
            earlier = events[event.again]
            assert earlier.number < event.number
            assert earlier.again is None
            assert not earlier.doomed
