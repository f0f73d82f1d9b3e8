"""Ids of products and reviews follow from the log, and are frozen: the past was named by them."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from matcher.deciding.identity import product_id, review_id
from matcher.events.place import Version

KEYS = st.tuples(st.text(max_size=20), st.integers(0, 50), st.integers(0, 10**9))


def test_the_ids_of_a_version_never_change() -> None:
    assert product_id("shop:1", Version(3, 1042)) == "9b4b49fd-58c0-5537-ac72-beaef3c380b8"
    assert review_id("shop:1", Version(3, 1042)) == "45cf0107-10a3-5257-8e1f-bed5b9f2f8e9"


@given(st.lists(KEYS, unique=True, max_size=20))
def test_different_versions_have_different_ids(keys: list[tuple[str, int, int]]) -> None:
    ids = [make(offer, Version(*place)) for offer, *place in keys for make in (product_id, review_id)]
    assert len(set(ids)) == len(ids)
    assert all(uuid.UUID(name).version == 5 for name in ids)
