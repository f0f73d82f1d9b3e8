"""Offers for a matcher with many known ones: what it is given is what an encoder would have written."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.index.feed import DIM, make_feed
from benchmarks.known.lifting import Lifting
from benchmarks.known.offers import Offers
from benchmarks.known.run import bench_known
from index_store.rows import Identity
from index_store.state import State
from matcher.clock import SystemClock
from matcher.deciding.arrivals import Arrival, read_arrival
from matcher.events.envelope import Record
from matcher.model import load_bundle
from matcher.model.bundle import save_bundle
from matcher.model.projection import project


def _read(offers: Offers) -> list[Arrival]:
    records = [
        Record(topic="f", partition=0, offset=n, key=one.key, value=one.value, headers=one.headers)
        for n, one in enumerate(offers.arriving("f", 1))
    ]
    read = [read_arrival(record, offers.bundle) for record in records]
    arrivals = [one for one in read if isinstance(one, Arrival)]
    assert len(arrivals) == len(read)
    return arrivals


def test_the_features_of_an_offer_are_projected_to_its_vector(tmp_path: Path) -> None:
    offers = Offers(known=100, arriving=20)
    save_bundle(offers.bundle, tmp_path)
    features = [arrival.features for arrival in _read(offers) if arrival.features is not None]
    found = project(features, load_bundle(str(tmp_path)))
    assert np.abs(found - make_feed(120, seed=100).vectors[100:].astype(np.float32)).max() < 2e-3


def test_what_is_known_fits_together(tmp_path: Path) -> None:
    offers = Offers(known=300, arriving=20)
    with State(tmp_path / "state.sqlite", Identity("bundle", DIM, 0, ("f", "m"), 1, raw_features=True)) as state:
        offers.remember(state)
        assert state.audit() == ()
        counts = state.counts()
        assert (counts.offers, counts.live, counts.pending) == (300, 300, 0)
        assert 50 < counts.products < 100  # four offers a product
        assert not state.ledger([arrival.offer_id for arrival in _read(offers)])


def test_updates_speak_of_known_offers_in_newer_versions(tmp_path: Path) -> None:
    offers = Offers(known=300, arriving=400, updates=0.5)
    read = _read(offers)
    with State(tmp_path / "state.sqlite", Identity("bundle", DIM, 0, ("f", "m"), 1, raw_features=True)) as state:
        offers.remember(state)
        known = state.ledger([arrival.offer_id for arrival in read])
    again = [arrival for arrival in read if arrival.offer_id in known]
    assert 150 < len(again) < 250
    assert all(arrival.version.offset > known[arrival.offer_id].version.offset for arrival in again)
    assert [arrival.version.offset for arrival in read] == list(range(300, 700))


def test_lifting_is_the_same_in_every_run() -> None:
    assert Lifting(DIM, seed=0).bundle() == Lifting(DIM, seed=0).bundle()


def test_few_known_offers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"more than 10,000 known offers.*got 500"):
        bench_known(500, 10, SystemClock(), tmp_path)
