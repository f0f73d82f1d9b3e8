"""The benchmark of the index: its vectors are what they say, and it prints the results that are relied on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.index.blocking import blocking
from benchmarks.index.feed import brands, make_feed
from benchmarks.index.rivals.makers import ReferenceMissing
from benchmarks.index.run import measure_alone
from benchmarks.index.session import Plan, TooSmall, bench_index
from matcher.clock import SystemClock


def test_vectors_have_the_cosines_that_are_promised() -> None:
    feed = make_feed(20_000, seed=4)
    vectors = feed.vectors.astype(np.float32)
    left, right = np.random.default_rng(0).integers(0, 20_000, (2, 20_000))
    assert abs((vectors[left] * vectors[right]).sum(axis=1).mean() - 0.20) < 0.03
    order = np.lexsort((feed.product, feed.family))
    cosines = (vectors[order][1:] * vectors[order][:-1]).sum(axis=1)
    family = feed.family[order][1:] == feed.family[order][:-1]
    product = feed.product[order][1:] == feed.product[order][:-1]
    assert abs(cosines[product].mean() - 0.88) < 0.02
    assert abs(cosines[family & ~product].mean() - 0.73) < 0.02
    assert (make_feed(20_000, seed=4).vectors == feed.vectors).all()


@pytest.mark.parametrize("tied", [True, False])
def test_the_promised_share_of_brands_is_missing(tied: bool) -> None:
    feed = make_feed(20_000, seed=4)
    codes = brands(feed, 1 / 3, tied=tied, seed=1)
    assert abs((codes < 0).mean() - 1 / 3) < 0.02
    known = codes >= 0
    pairs = known[1:] & known[:-1]
    order = np.argsort(feed.family, kind="stable")
    same = codes[order][1:] == codes[order][:-1]
    in_family = (feed.family[order][1:] == feed.family[order][:-1]) & (codes[order][1:] >= 0) & (codes[order][:-1] >= 0)
    assert pairs.any()
    assert same[in_family].all() == tied


def test_what_the_rule_of_brands_excludes_is_what_conflicts() -> None:
    feed = make_feed(20_000, seed=4)
    found = blocking(feed, np.arange(18_000), 2_000, seed=1)
    assert abs(found.conflicting - 0.07) < 0.02
    assert abs(found.excluded - 2 / 3 * found.conflicting) < 0.01  # a third of the others have no brand
    assert found.found <= 1 - found.excluded
    assert found.found_free > found.found > found.found_free - 2 * found.excluded


def test_vectors_in_a_file_are_the_same(tmp_path: Path) -> None:
    feed = make_feed(5_000, seed=4, file=tmp_path / "feed.f16")
    assert isinstance(feed.vectors, np.memmap)
    assert (feed.vectors == make_feed(5_000, seed=4).vectors).all()


@pytest.mark.slow
def test_a_large_size_has_a_sample_in_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.index.run._LARGE", 10_000)
    found = measure_alone(20_000, 1, SystemClock(), tmp_path)
    results = {result.name: result for result in found}
    assert results["search_all_20k"].reference_name == "FAISS Flat of 10k"
    assert results["upsert_20k"].ours > 0
    assert "search_third_missing_20k" not in results
    assert results["recall_at_10_20k"].ours >= 0.99


@pytest.mark.slow
def test_a_run_gives_every_result_that_is_relied_on(tmp_path: Path) -> None:
    found = measure_alone(10_000, 1, SystemClock(), tmp_path)
    results = {result.name: result for result in found}
    for name in ("search_all", "search_with_brand", "search_branded_feed", "upsert", "upsert_small", "bytes_per_offer"):
        assert results[f"{name}_10k"].ours > 0
        assert results[f"{name}_10k"].reference > 0
        assert results[f"{name}_10k"].reference_name == "FAISS Flat"
    assert results["recall_at_10_10k"].ours >= 0.99


def test_an_unknown_reference_or_too_small_a_size_is_refused(tmp_path: Path) -> None:
    def run(size: int, reference: str) -> None:
        bench_index(Plan([size], [reference], 1, 1, None), SystemClock(), tmp_path, print)

    with pytest.raises(ReferenceMissing, match=r"must be of flat, ivf, hnsw, .*, got annoy"):
        run(10_000, "annoy")
    with pytest.raises(TooSmall, match="at least 10,000 offers, got 10"):
        run(10, "flat")
