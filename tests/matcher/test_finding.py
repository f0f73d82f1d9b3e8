"""Candidates of a batch whose own offers change while it is decided."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.arrays import F32Array
from matcher.deciding.finding import nearest_beside
from matcher.deciding.known import Hit, Known
from matcher.events.offer import Offer
from matcher.events.place import Version
from tests.matcher.exact_memory import ExactMemory

K = 3
QUERIES = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], np.float32)


class Line(ExactMemory):
    """Offers named by number, 0 the nearest to the first query; remembers how much was asked for."""

    def __init__(self, offers: int) -> None:
        super().__init__()
        self.asked: list[tuple[int, int]] = []
        for number in range(offers):
            angle = number * np.pi / 2 / max(1, offers)
            self.live[str(number)] = Known(
                key=number,
                offer_id=str(number),
                version=Version(0, number),
                product_id="p",
                vector=np.array([np.cos(angle), np.sin(angle)], np.float16).astype(np.float32),
            )

    def nearest(
        self,
        vectors: F32Array,
        k: int,
        not_sellers: Sequence[str | None] | None,
        by_brand: Sequence[Offer] | None = None,
    ) -> Sequence[Sequence[Hit]]:
        self.asked.append((len(vectors), k))
        return super().nearest(vectors, k, not_sellers, by_brand)


def names(hits: Sequence[Hit], changing: AbstractSet[str] = frozenset()) -> list[str]:
    return [hit.known.offer_id for hit in hits if hit.known.offer_id not in changing]


@given(st.integers(0, 60), st.data())
def test_the_nearest_of_all_others_are_among_what_is_found(offers: int, data: st.DataObject) -> None:
    memory = Line(offers)
    changing = data.draw(st.sets(st.integers(0, 70).map(str)))
    found = nearest_beside(memory, QUERIES, K, changing=changing, not_sellers=None, by_brand=None)
    everything = memory.nearest(QUERIES, max(1, offers), None)
    for hits, all_hits in zip(found, everything, strict=True):
        assert names(hits) == names(all_hits)[: len(hits)]
        assert names(hits, changing)[:K] == names(all_hits, changing)[:K]


@pytest.mark.parametrize(
    ("changing", "asked"),
    [
        # What was never in the index, or lies far away, costs nothing.
        (set(), [(3, 3)]),
        ({str(number) for number in range(100, 120)}, [(3, 5)]),
        # All that is near the first query changes, and nothing that is near the others.
        ({str(number) for number in range(6)}, [(3, 5), (1, 9)]),
        ({str(number) for number in range(40)}, [(3, 5), (1, 20), (1, 43)]),
    ],
)
def test_more_is_asked_for_only_where_too_few_others_were_found(
    changing: set[str], asked: list[tuple[int, int]]
) -> None:
    memory = Line(100)
    nearest_beside(memory, QUERIES, K, changing=changing, not_sellers=None, by_brand=None)
    assert memory.asked == asked


def test_nothing_is_asked_where_no_offer_has_features() -> None:
    memory = Line(5)
    assert nearest_beside(memory, QUERIES[:0], K, changing={"1"}, not_sellers=[], by_brand=None) == []
    assert memory.asked == []
