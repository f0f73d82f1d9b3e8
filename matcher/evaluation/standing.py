"""Which offers stand in the index at one moment of a run, counted by their true product."""

from collections import Counter

from msgspec import Struct


class _Place(Struct, frozen=True):
    partition: int
    product: str
    seller: str | None


class Standing:
    """Offers enter and leave in the order of the input; asking and changing take the same time however many there are.

    Offers of different partitions never see each other. With `exclude_own_seller`, offers of one seller do not either;
    a missing seller equals no one.
    """

    def __init__(self, *, exclude_own_seller: bool) -> None:
        self._exclude = exclude_own_seller
        self._places: dict[str, _Place] = {}
        self._all: Counter[tuple[int, str]] = Counter()
        self._by_seller: Counter[tuple[int, str, str]] = Counter()

    def enter(self, offer_id: str, partition: int, product: str, seller: str | None) -> None:
        """The offer stands from now on, in place of its earlier version."""
        self.leave(offer_id)
        place = _Place(partition, product, seller)
        self._places[offer_id] = place
        self._count(place, 1)

    def leave(self, offer_id: str) -> None:
        place = self._places.pop(offer_id, None)
        if place is not None:
            self._count(place, -1)

    def has_match(self, partition: int, product: str, seller: str | None) -> bool:
        """Whether an offer stands that a new one of this product and seller may match."""
        count = self._all[partition, product]
        if self._exclude and seller is not None:
            count -= self._by_seller[partition, product, seller]
        return count > 0

    def _count(self, place: _Place, change: int) -> None:
        self._all[place.partition, place.product] += change
        if place.seller is not None:
            self._by_seller[place.partition, place.product, place.seller] += change
