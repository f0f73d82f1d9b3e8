"""Writes as messages, on a gRPC server of the tests: made to last, and never resumed after a failure."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from weaviate.classes.config import ConsistencyLevel
from weaviate.exceptions import WeaviateBatchError
from weaviate.proto.v1 import base_pb2, batch_pb2, weaviate_pb2_grpc

from index_store.weaviate.client import Client
from index_store.weaviate.collection import OfferCollection
from index_store.weaviate.errors import WeaviateAway, WeaviateMismatch
from index_store.weaviate.found import Found
from index_store.weaviate.link import Link
from index_store.weaviate.messages import write_request
from index_store.weaviate.settings import WeaviateSettings, endpoints
from tests.index_store.grpc_server import serving

ENTRIES = Found(
    np.array([3, 5, 8]),
    np.zeros(3, np.int64),
    np.array([30, 50, -1], np.int32),
    np.array([-1, 7, -1], np.int32),
    np.array([[0.5, 1.0], [0.25, -1.0], [0.0, 2.0]], np.float16),
)


class Writes(weaviate_pb2_grpc.WeaviateServicer):  # type: ignore[misc]
    """Keeps what it is asked to write; `answer` may fail."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.ids: list[list[str]] = []
        self.last: Any = None
        self.answer: Callable[[int, Any], dict[int, str]] = lambda _number, _context: {}

    def BatchObjects(self, request: Any, context: Any) -> Any:
        self.last = request
        self.asked.append([each.properties.non_ref_properties["entry"] for each in request.objects])
        self.ids.append([each.uuid for each in request.objects])
        errors = self.answer(len(self.asked), context)
        return batch_pb2.BatchObjectsReply(
            errors=[batch_pb2.BatchObjectsReply.BatchError(index=at, error=text) for at, text in errors.items()]
        )


class Generations:
    """In the place of a directory: counts on."""

    def __init__(self) -> None:
        self.next = 1

    def __call__(self, keys: Any) -> Any:
        self.next += len(keys)
        return np.arange(self.next - len(keys), self.next)


@pytest.fixture
def writes() -> Writes:
    return Writes()


@pytest.fixture
def url(writes: Writes) -> Iterator[str]:
    with serving(writes) as address:
        yield address


@pytest.fixture
def link(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Link]:
    monkeypatch.setattr(Client, "connect", lambda _self: None)
    made = Link(WeaviateSettings(url=url, deadline=20), pause=lambda _seconds: None)
    yield made
    made.close()


@pytest.fixture
def collection(link: Link, url: str) -> OfferCollection:
    made = OfferCollection(link, "Offers", WeaviateSettings(url=url))
    made._replicas._shards = frozenset({"one", "two"})
    return made


def test_a_write_says_what_an_entry_is(url: str, writes: Writes) -> None:
    client = Client(endpoints(url)[0], "the-key")
    ids = [f"00000000-0000-0000-0000-00000000000{n}" for n in range(3)]
    client.write(write_request("Offers", ids, ENTRIES, ConsistencyLevel.QUORUM))
    client.close()
    assert writes.last.consistency_level == base_pb2.CONSISTENCY_LEVEL_QUORUM
    assert [(each.uuid, each.collection) for each in writes.last.objects] == [(id_, "Offers") for id_ in ids]
    assert [dict(each.properties.non_ref_properties) for each in writes.last.objects] == [
        {"entry": "3.0", "seller": 30, "block": -1},
        {"entry": "5.0", "seller": 50, "block": 7},
        {"entry": "8.0", "seller": -1, "block": -1},
    ]
    vectors = np.array([np.frombuffer(each.vector_bytes, "<f4") for each in writes.last.objects])
    np.testing.assert_array_equal(vectors, ENTRIES.vectors)


def test_what_is_written_is_sent_once_more_so_that_the_nodes_write_it_down(
    collection: OfferCollection, writes: Writes
) -> None:
    written = collection.send(ENTRIES, ConsistencyLevel.ALL, Generations())
    assert written.generations.tolist() == [1, 2, 3]
    assert writes.asked == [["3.1", "5.2", "8.3"]] * 2
    assert writes.ids[0] == writes.ids[1] == [collection.id_of(*each) for each in ((3, 1), (5, 2), (8, 3))]


def test_with_one_shard_one_object_is_enough_for_that(collection: OfferCollection, writes: Writes) -> None:
    collection._replicas._shards = frozenset({"one"})
    collection.send(ENTRIES, ConsistencyLevel.ALL, Generations())
    assert writes.asked == [["3.1", "5.2", "8.3"], ["3.1"]]


@pytest.mark.parametrize("failing", [1, 2])
def test_after_a_failure_other_objects_are_written(collection: OfferCollection, writes: Writes, failing: int) -> None:
    def answer(number: int, context: Any) -> dict[int, str]:
        if number == failing:
            context.abort(grpc.StatusCode.UNAVAILABLE, "killed")
        return {}

    writes.answer = answer
    written = collection.send(ENTRIES, ConsistencyLevel.ALL, Generations())
    assert written.generations.tolist() == [4, 5, 6]
    assert writes.asked == [["3.1", "5.2", "8.3"]] * failing + [["3.4", "5.5", "8.6"]] * 2


def test_of_what_was_written_in_part_only_the_rest_comes_again(collection: OfferCollection, writes: Writes) -> None:
    writes.answer = lambda number, _context: {1: "no room"} if number == 1 else {}
    written = collection.send(ENTRIES, ConsistencyLevel.ALL, Generations())
    assert written.generations.tolist() == [1, 4, 3]
    assert writes.asked[2:] == [["5.4"]] * 2


def test_what_could_not_be_made_to_last_is_written_anew(collection: OfferCollection, writes: Writes) -> None:
    writes.answer = lambda number, _context: {0: "no log"} if number == 2 else {}
    assert collection.send(ENTRIES, ConsistencyLevel.ALL, Generations()).generations.tolist() == [4, 5, 6]


def test_an_answer_that_took_as_long_as_a_restart_proves_nothing(
    collection: OfferCollection, writes: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index_store.weaviate.collection._RESTART", 0.1)

    def answer(number: int, _context: Any) -> dict[int, str]:
        time.sleep(0.2 if number == 2 else 0.0)
        return {}

    writes.answer = answer
    assert collection.send(ENTRIES, ConsistencyLevel.ALL, Generations()).generations.tolist() == [4, 5, 6]


def test_one_attempt_is_one_attempt(collection: OfferCollection, writes: Writes) -> None:
    writes.answer = lambda _number, context: context.abort(grpc.StatusCode.UNAVAILABLE, "killed")
    with pytest.raises(WeaviateAway, match="killed"):
        collection.send(ENTRIES, ConsistencyLevel.ALL, Generations(), 0)
    assert len(writes.asked) == 1


@pytest.mark.parametrize("status", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED])
def test_a_write_that_is_not_allowed_ends_at_once(
    collection: OfferCollection, writes: Writes, status: grpc.StatusCode
) -> None:
    writes.answer = lambda _number, context: context.abort(status, "not you")
    with pytest.raises(WeaviateMismatch, match="not you"):
        collection.send(ENTRIES, ConsistencyLevel.ALL, Generations())


def test_what_fails_is_raised_as_the_client_raises_it(url: str, writes: Writes) -> None:
    writes.answer = lambda _number, context: context.abort(grpc.StatusCode.INTERNAL, "broken")
    client = Client(endpoints(url)[0], "")
    with pytest.raises(WeaviateBatchError, match="broken"):
        client.write(write_request("Offers", ["a", "b", "c"], ENTRIES, ConsistencyLevel.ALL))
    client.close()
    assert len(writes.asked) == 1
