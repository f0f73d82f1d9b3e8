"""Every reader of foreign bytes gives a value or its documented failure: for good input, near misses and noise."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets import TARGETS
from tests.examples import examples

NAMES = sorted(TARGETS)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_fuzzer_begins_with_is_taken(name: str) -> None:
    target = TARGETS[name]
    assert target.seeds()
    for seed in target.seeds():
        assert len(seed) <= target.max_length
        target.check(seed)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=examples(60), deadline=None)
@given(which=st.integers(0, 1_000), changes=st.integers(1, 4), random=st.randoms(use_true_random=False))
def test_what_is_nearly_good_is_read_or_refused_as_documented(
    name: str, which: int, changes: int, random: Random
) -> None:
    target = TARGETS[name]
    data = target.seeds()[which % len(target.seeds())]
    for _ in range(changes):
        data = target.change(data, random) or data
    target.check(data)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=examples(40), deadline=None)
@given(data=st.binary(max_size=300))
def test_bytes_without_any_sense_are_refused_as_documented(name: str, data: bytes) -> None:
    TARGETS[name].check(data)
