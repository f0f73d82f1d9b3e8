"""One record of `offers` on its way through the encoder."""

from collections.abc import Sequence
from concurrent.futures import Future

from matcher.arrays import AnyArray
from matcher.encoding import RawFeatures
from matcher.events.dead_letter import Failure
from matcher.events.envelope import Record
from matcher.events.features import PhotoFailure
from matcher.events.offer import Offer

Pixels = AnyArray


class Work:
    """Mutable, owned by one stage at a time: the loop, the photo threads, the device thread, and the loop again."""

    __slots__ = ("dropped", "offer", "photos", "record", "repairs", "result")

    def __init__(self, record: Record, offer: Offer | None, repairs: tuple[str, ...] = ()) -> None:
        """`offer` is None for a deletion, and for a record that could not be read."""
        self.record = record
        self.offer = offer
        self.repairs = repairs
        self.photos: Sequence[Future[Pixels | PhotoFailure]] = ()
        self.result: RawFeatures | Failure | None = None
        self.dropped = False

    @property
    def done(self) -> bool:
        """Whether it can be published: encoded, failed, or a deletion, which needs neither."""
        return self.result is not None or self.record.value is None

    @property
    def failure(self) -> Failure | None:
        """Why it becomes a dead letter, if it does."""
        return self.result if isinstance(self.result, Failure) else None

    def pixels(self) -> tuple[Pixels, ...]:
        """The photos that could be had; all futures are done."""
        return tuple(p for p in (f.result() for f in self.photos) if not isinstance(p, PhotoFailure))

    def photo_failures(self) -> tuple[PhotoFailure, ...]:
        return tuple(p for p in (f.result() for f in self.photos) if isinstance(p, PhotoFailure))
