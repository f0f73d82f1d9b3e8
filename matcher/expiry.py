"""When an offer that its seller does not send any more has expired: measured in the stream's own time, by no clock.

Time passes with the Kafka timestamps on `offer-features`, and a pause of the stream counts for a third of the time to
expiry at most. So an outage of any length expires nothing that sellers send three times within that time.
"""

from msgspec import Struct

from index_store.stream_time import StreamTime

#: Pauses of the longest kind that make up the time to expiry.
PAUSES = 3
#: Milliseconds that a pause counts at most where nothing expires: it may be switched on later.
A_DAY = 86_400_000


class Expiry(Struct, frozen=True):
    """`time`: milliseconds of stream time after which an offer that was not seen again expires; 0: never."""

    time: int = 0

    @classmethod
    def of(cls, seconds: float) -> "Expiry":
        """From the setting `[matcher] expire_after`."""
        return cls(round(seconds * 1000))

    def at(self, time: StreamTime, timestamp: int) -> StreamTime:
        """The stream time once one more record (its Kafka time in milliseconds) was read."""
        return time.after(timestamp, self.time // PAUSES if self.time else A_DAY)

    def due(self, now: StreamTime) -> int | None:
        """Offers that were seen last at this stream time (milliseconds) or before have expired; None: none have."""
        return now.passed - self.time if 0 < self.time <= now.passed else None


NEVER = Expiry()
