"""One record of `offers` on its way through the encoder."""

from collections.abc import Sequence
from concurrent.futures import Future

from matcher.arrays import AnyArray
from matcher.encoding import RawFeatures
from matcher.events.dead_letter import Failure, offer_version
from matcher.events.envelope import Record
from matcher.events.features import PhotoFailure
from matcher.events.offer import Offer
from matcher.events.place import Version
from matcher.text import offer_text

Pixels = AnyArray


class Work:
    """Mutable, owned by one stage at a time: the loop, the photo threads, the device thread, and the loop again."""

    __slots__ = ("dropped", "offer", "photos", "record", "repairs", "result", "superseded")

    def __init__(self, record: Record, offer: Offer | None, repairs: tuple[str, ...] = ()) -> None:
        """`offer` is None for a deletion, and for a record that could not be read."""
        self.record = record
        self.offer = offer
        self.repairs = repairs
        self.photos: Sequence[Future[Pixels | PhotoFailure]] = ()
        self.result: RawFeatures | Failure | None = None
        self.dropped = False
        self.superseded = False

    @property
    def done(self) -> bool:
        """Whether it is through: encoded, failed, superseded, or a deletion, which needs none of these."""
        return self.result is not None or self.superseded or self.record.value is None

    @property
    def version(self) -> Version:
        return offer_version(self.record)

    @property
    def offer_id(self) -> str:
        """As far as it can be read: empty for a record that names no offer."""
        if self.offer is not None:
            return self.offer.offer_id
        return (self.record.key or b"").decode("utf-8", "replace")

    @property
    def ends_well(self) -> bool:
        """Whether it is sure already that it becomes no dead letter for want of a photo, or of sense."""
        if self.offer is None:
            return self.record.value is None and self.result is None
        return bool(offer_text(self.offer.brand, self.offer.title))

    @property
    def awaits_photos(self) -> bool:
        """Whether it waits for photos, on its way from the loop to the device."""
        return not self.done and any(not photo.done() for photo in self.photos)

    def yields_to(self, newer: "Work") -> bool:
        """Gives up, and leads to nothing, if it still waits for photos while `newer` says something newer of its offer.

        What is newer must not become a dead letter itself: this would be all there is of the offer then.
        """
        if self.awaits_photos and newer.ends_well and newer.offer_id == self.offer_id and newer.version > self.version:
            self.dropped = self.superseded = True
        return self.superseded

    @property
    def failure(self) -> Failure | None:
        """Why it becomes a dead letter, if it does."""
        return self.result if isinstance(self.result, Failure) and not self.superseded else None

    def pixels(self) -> tuple[Pixels, ...]:
        """The photos that could be had; all futures are done."""
        return tuple(p for p in (f.result() for f in self.photos) if not isinstance(p, PhotoFailure))

    def photo_failures(self) -> tuple[PhotoFailure, ...]:
        return tuple(p for p in (f.result() for f in self.photos) if isinstance(p, PhotoFailure))


class Fetching:
    """The last work of each offer whose photos are fetched: it may be superseded by what comes."""

    def __init__(self) -> None:
        self._works: dict[tuple[int, str], Work] = {}

    def take(self, work: Work) -> None:
        """Looks whether an older one yields to `work`, which was just read."""
        place = (work.record.partition, work.offer_id)
        older = self._works.get(place)
        if older is not None:
            older.yields_to(work)
        if work.offer is not None and work.offer.image_urls:
            self._works[place] = work

    def forget(self, work: Work) -> None:
        place = (work.record.partition, work.offer_id)
        if self._works.get(place) is work:
            del self._works[place]
