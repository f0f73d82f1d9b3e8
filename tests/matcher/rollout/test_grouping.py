"""Two tables as partitions: counted pair by pair."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.rollout.grouping import compare_groups

tables = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=12)


@given(tables)
def test_pairs_and_mates_are_what_counting_one_by_one_gives(table):
    found = compare_groups(table)
    pairs = list(itertools.combinations(table, 2))
    assert found.pairs_before == sum(one[0] == other[0] for one, other in pairs)
    assert found.pairs_after == sum(one[1] == other[1] for one, other in pairs)
    assert found.pairs_both == sum(one == other for one, other in pairs)
    if table:
        same = [all((one[0] == other[0]) == (one[1] == other[1]) for other in table) for one in table]
        assert found.same_mates == pytest.approx(sum(same) / len(table))


@given(tables)
def test_names_do_not_count(table):
    renamed = [(before, f"another {after}") for before, after in table]
    assert compare_groups(renamed) == compare_groups(table)


def test_nothing_has_no_shares():
    found = compare_groups([])
    assert (found.products_before, found.pairs_after) == (0, 0)
    assert found.same_mates is found.b3_precision is found.b3_recall is None
