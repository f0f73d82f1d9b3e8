"""What was last read of offers, at hand: candidates come again and again, and reading one costs more than comparing."""

import threading
from collections import OrderedDict

from matcher.deciding.content import Content
from matcher.events.place import Version

#: Offers that are held. One of WDC Products takes 3.4 KB (the offer 1 KB, a verifier's traits 2.4 KB), so 55 MB in all;
#: raw features of 1,024 dimensions add 2 KB each, a description of the longest kind (20,000 characters) 20 to 80 KB.
MOST = 16_384


class Recent:
    """The contents of the offers used last, by offer and version; at most `most` of them. For any threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held: OrderedDict[str, tuple[Version, Content]] = OrderedDict()
        self._mutex = threading.Lock()

    def get(self, offer_id: str, version: Version) -> Content | None:
        """The content of exactly this version, None where it is not held."""
        with self._mutex:
            held = self._held.get(offer_id)
            if held is None or held[0] != version:
                return None
            self._held.move_to_end(offer_id)
            return held[1]

    def put(self, offer_id: str, version: Version, content: Content) -> None:
        """Holds a version in place of what was held of the offer; what was not used for longest goes."""
        with self._mutex:
            self._held[offer_id] = (version, content)
            self._held.move_to_end(offer_id)
            if len(self._held) > self._most:
                self._held.popitem(last=False)

    def forget(self, offer_id: str) -> None:
        """For when the same version was read anew, by others."""
        with self._mutex:
            self._held.pop(offer_id, None)

    def __len__(self) -> int:
        return len(self._held)
