"""The indexes that are compared: each does what the comparison believes of it, on few offers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.index.feed import brands, make_feed
from benchmarks.index.rivals import makers
from benchmarks.index.rivals.makers import OURS, REFERENCES, ReferenceMissing, check, make
from benchmarks.index.rivals.rival import Offers, Rival
from index_store.store import NO_BLOCK

COUNT, SPARE, K = 600, 40, 10
SERVERS = {"milvus", "qdrant"}
OTHERS = [
    pytest.param(name, marks=pytest.mark.slow) if name in SERVERS else name
    for name in (*REFERENCES, OURS)
    if name != "weaviate"
]


class Filled:
    """An index of the first COUNT offers, and what it should find."""

    def __init__(self, name: str, folder: Path) -> None:
        feed = make_feed(COUNT + SPARE, seed=3)
        self.vectors = feed.vectors.astype(np.float32)
        # Few brands, so that a search for one has to leave something out.
        self.brands = np.where((codes := brands(feed, 1 / 3, tied=False, seed=3)) == NO_BLOCK, NO_BLOCK, codes % 3)
        self.brands = self.brands.astype(np.int32)
        file = folder / "vectors.f16"
        feed.vectors.tofile(file)
        self.told: list[int] = []
        self.rival: Rival = make(name, folder)
        if self.rival.efforts:
            self.rival.effort = self.rival.efforts[-1]
        self.rival.build(Offers(file, self.brands, COUNT, self.told.append))

    def expected(self, query: int, brand: int | None = None) -> set[int]:
        """The K nearest of the offers that filled it."""
        scores = self.vectors[:COUNT] @ self.vectors[query]
        if brand is not None:
            scores[(self.brands[:COUNT] != NO_BLOCK) & (self.brands[:COUNT] != brand)] = -np.inf
        return set(np.argsort(-scores)[:K].tolist())


@pytest.fixture(scope="module", params=OTHERS)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    yield from _filled(request.param, tmp_path_factory.mktemp("rival"))


@pytest.fixture(scope="module")
def filled_weaviate(weaviate_one: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WEAVIATE_URL", weaviate_one)
        yield from _filled("weaviate", tmp_path_factory.mktemp("rival"))


def _filled(name: str, folder: Path) -> Iterator[Filled]:
    try:
        check([] if name == OURS else [name])
    except ReferenceMissing as missing:
        pytest.skip(str(missing))
    filled = Filled(name, folder)
    yield filled
    filled.rival.close()


def test_an_index_keeps_its_word(filled: Filled) -> None:
    keeps_its_word(filled)


@pytest.mark.weaviate
def test_a_weaviate_server_keeps_its_word(filled_weaviate: Filled) -> None:
    keeps_its_word(filled_weaviate)
    assert filled_weaviate.rival.processes() == ()  # of a server that was there before


def keeps_its_word(filled: Filled) -> None:
    """Finds nearly all, of the right brands only, and what has changed at once."""
    rival, asked = filled.rival, np.arange(COUNT, COUNT + 20)
    assert filled.told[-1] == COUNT
    found = rival.search(filled.vectors[asked], K, None)
    assert found.shape == (20, K)
    assert found.dtype == np.int64
    assert _share(found, [filled.expected(query) for query in asked]) >= 0.95
    if rival.branded:
        codes = np.arange(20, dtype=np.int32) % 3
        found = rival.search(filled.vectors[asked], K, codes)
        wanted = [filled.expected(query, brand) for query, brand in zip(asked, codes.tolist(), strict=True)]
        assert _share(found, wanted) >= 0.95
        of = filled.brands[found]
        assert ((of == NO_BLOCK) | (of == codes[:, None]) | (found < 0)).all()
    if not rival.changes:
        return
    moved, new = np.arange(5), np.array([COUNT + 7, COUNT + 8])
    keys = np.concatenate([moved, new])
    other = filled.vectors[asked[: len(keys)]]
    rival.upsert(keys, other, np.full(len(keys), NO_BLOCK, np.int32))
    assert rival.search(other, K, None)[:, 0].tolist() == keys.tolist()
    rival.remove(keys)
    assert not np.isin(rival.search(other, K, None), keys).any()
    later = np.array([COUNT + 20, COUNT + 21])  # may be given the places of what has gone
    rival.upsert(later, other[:2], np.full(2, NO_BLOCK, np.int32))
    assert rival.search(other[:2], K, None)[:, 0].tolist() == later.tolist()


def test_what_is_missing_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReferenceMissing, match=r"must be of flat, ivf, .*, got annoy"):
        check(["flat", "annoy"])
    monkeypatch.setattr(makers, "find_spec", lambda package: None)
    with pytest.raises(ReferenceMissing, match=r"hnswlib needs the package hnswlib: pip install 'offermatch\[bench\]'"):
        check(["flat", "hnswlib"])
    check(["flat", "ivf", "hnsw"])  # need nothing


def _share(found: np.ndarray, wanted: list[set[int]]) -> float:
    return float(np.mean([len(set(row.tolist()) & each) / K for row, each in zip(found, wanted, strict=True)]))
