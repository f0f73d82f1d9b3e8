"""How telling a word is, looked up for many words at once."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.verifier import idf as module
from matcher.verifier.idf import IdfTable, fit_idf

#: Close together, so that many share a slot, and at both ends of what a hash can be.
hashes = st.integers(0, 60) | st.integers(2**32 - 20, 2**32 - 1) | st.integers(0, 2**32 - 1)
tables = st.dictionaries(hashes, st.integers(2, 50), max_size=60)


@settings(deadline=None)
@given(tables, st.lists(hashes, max_size=40))
def test_every_word_weighs_what_its_count_says(counts, others) -> None:
    words = np.array(sorted(counts), np.uint32)
    table = IdfTable(words=words, counts=np.array([counts[int(w)] for w in words], np.uint32), documents=50)
    asked = np.array([*others, *counts, *others], np.uint32)
    top = math.log(51 / 1.5)
    expected = [max(0.02, math.log(51 / (counts.get(int(word), 1) + 0.5)) / top) for word in asked]
    np.testing.assert_allclose(table.weights(asked), np.array(expected, np.float32), rtol=1e-6)


def test_words_of_one_offer_are_not_kept_and_the_most_frequent_are(monkeypatch) -> None:
    bags = [np.array(bag, np.uint32) for bag in ([1, 2, 3], [2, 3], [3, 9], [3, 7, 9])]
    table = fit_idf(bags)
    assert (table.words.tolist(), table.counts.tolist(), table.documents) == ([2, 3, 9], [2, 4, 2], 4)
    monkeypatch.setattr(module, "MAX_WORDS", 2)
    assert fit_idf(bags).words.tolist() == [2, 3]


@pytest.mark.parametrize("documents", [0, 1])
def test_an_empty_table_takes_every_word_for_rare(documents) -> None:
    empty = fit_idf([np.empty(0, np.uint32)] * documents)
    assert empty.documents == documents
    assert empty.weights(np.array([0, 5, 2**32 - 1], np.uint32)).tolist() == [1, 1, 1]
    assert empty.weights(np.empty(0, np.uint32)).shape == (0,)
