"""What a cluster gives to a client that does nothing but search and upsert: the bound for a matcher on it.

Either as Weaviate's client offers it, a thread for each search that is under way, or with the messages that the
matcher's searches travel as.
"""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter, MetadataQuery

from benchmarks.index.feed import DIM
from benchmarks.known.offers import Offers
from index_store.weaviate.link import Link
from index_store.weaviate.making import make_collection
from index_store.weaviate.messages import near_reply, near_request
from index_store.weaviate.settings import WeaviateSettings

_FILL: Final = 1_000


class BareLoop:
    """A collection of its own, made as the matcher's is, and as many searches under way at once."""

    def __init__(
        self, offers: Offers, known: int, candidates: int, settings: WeaviateSettings, *, messages: bool = False
    ) -> None:
        """Makes the collection, with the first `known` offers. Raises `index_store.weaviate.errors.WeaviateError`.

        messages: searches are the matcher's own messages.
        """
        self._offers = offers
        self._candidates = candidates
        self._link = Link(settings)
        self._messages = messages
        self._most = settings.searches
        self._name = f"Bare_{uuid.uuid4().hex[:12]}"
        self._pool = ThreadPoolExecutor(settings.searches)
        self._client = self._link.ask("connect", lambda client: client)
        make_collection(self._client, self._name, DIM, settings)
        self._objects = self._client.collections.get(self._name)
        for start in range(0, known, _FILL):
            self._upsert(slice(start, min(start + _FILL, known)))

    def run(self, numbers: range, batch: int) -> None:
        """Searches for each of these offers, and upserts them, batch by batch."""
        for start in range(numbers.start, numbers.stop, batch):
            part = slice(start, min(start + batch, numbers.stop))
            if self._messages:
                self._search_by_messages(part)
            else:
                rows = zip(self._offers.vectors(part).tolist(), self._offers.sellers(part).tolist(), strict=True)
                list(self._pool.map(self._search, rows))
            self._upsert(part)

    def _search(self, row: tuple[list[float], int]) -> None:
        vector, seller = row
        self._objects.query.near_vector(
            vector,
            limit=self._candidates,
            filters=Filter.by_property("seller").not_equal(seller),
            return_metadata=MetadataQuery(distance=True),
            return_properties=["entry"],
        )

    def _search_by_messages(self, part: slice) -> None:
        rows = zip(self._offers.vectors(part), self._offers.sellers(part).tolist(), strict=True)
        asked = (
            near_request(self._name, vector, seller, None, self._candidates, filtered=False) for vector, seller in rows
        )
        for reply in self._client.replies(asked, self._most):
            near_reply(reply)

    def _upsert(self, numbers: slice) -> None:
        rows = zip(self._offers.vectors(numbers).tolist(), self._offers.sellers(numbers).tolist(), strict=True)
        objects = [
            DataObject(
                {"entry": f"{number}.1", "seller": seller, "block": -1},
                uuid.uuid5(uuid.NAMESPACE_OID, f"{number}"),
                vector,
            )
            for number, (vector, seller) in enumerate(rows, numbers.start)
        ]
        self._objects.data.insert_many(objects)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._pool.shutdown()
        self._client.collections.delete(self._name)
        self._link.close()
