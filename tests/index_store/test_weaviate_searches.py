"""Searches as messages, on a gRPC server of the tests: order, how many at once, and what becomes of failures."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
from weaviate.exceptions import InsufficientPermissionsError, WeaviateQueryError
from weaviate.proto.v1 import properties_pb2, search_get_pb2, weaviate_pb2_grpc

from index_store.store import NO_SELLER
from index_store.weaviate.client import Client
from index_store.weaviate.collection import OfferCollection
from index_store.weaviate.errors import WeaviateMismatch
from index_store.weaviate.link import Link
from index_store.weaviate.messages import near_request
from index_store.weaviate.settings import WeaviateSettings, endpoints
from tests.index_store.grpc_server import serving

QUERY = np.zeros(4, np.float32)


class Answers(weaviate_pb2_grpc.WeaviateServicer):  # type: ignore[misc]
    """Answers with one object whose key is the seller that is left out; `before` is called first."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.keys: list[Any] = []
        self.before: Callable[[int, Any], None] = lambda _seller, _context: None

    def Search(self, request: Any, context: Any) -> Any:
        seller = request.filters.value_int
        self.asked.append(seller)
        self.keys.append(dict(context.invocation_metadata()).get("authorization"))
        self.before(seller, context)
        entry = properties_pb2.Value(text_value=f"{seller}.7")
        properties = search_get_pb2.PropertiesResult(non_ref_props=properties_pb2.Properties(fields={"entry": entry}))
        metadata = search_get_pb2.MetadataResult(distance=-0.5)
        return search_get_pb2.SearchReply(
            results=[search_get_pb2.SearchResult(properties=properties, metadata=metadata)]
        )


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def url(answers: Answers) -> Iterator[str]:
    with serving(answers) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    made = Client(endpoints(url)[0], "the-key")
    yield made
    made.close()


@pytest.fixture
def collection(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OfferCollection]:
    monkeypatch.setattr(Client, "connect", lambda _self: None)
    settings = WeaviateSettings(url=url, searches=4)
    link = Link(settings, pause=lambda _seconds: None)
    yield OfferCollection(link, "Offers", settings)
    link.close()


def requests(count: int) -> Iterator[search_get_pb2.SearchRequest]:
    return (near_request("Offers", QUERY, seller, None, 1, filtered=False) for seller in range(count))


def sellers_of(replies: Any) -> list[str]:
    return [reply.results[0].properties.non_ref_props.fields["entry"].text_value for reply in replies]


def test_so_many_are_under_way_at_once_and_answers_keep_the_order(client: Client, answers: Answers) -> None:
    at_once, now, most = threading.Barrier(4, timeout=30), 0, 0
    mutex = threading.Lock()

    def wait_for_three_others(seller: int, _context: Any) -> None:
        nonlocal now, most
        with mutex:
            now += 1
            most = max(most, now)
        at_once.wait()
        with mutex:
            now -= 1

    answers.before = wait_for_three_others
    assert sellers_of(client.replies(requests(12), 4)) == [f"{seller}.7" for seller in range(12)]
    assert most <= 7, "an answer may be on its way while the next request arrives"
    assert sorted(answers.asked) == list(range(12))


def test_the_key_goes_with_every_search(client: Client, answers: Answers) -> None:
    list(client.replies(requests(3), 2))
    assert answers.keys == ["Bearer the-key"] * 3


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (grpc.StatusCode.UNAVAILABLE, WeaviateQueryError),
        (grpc.StatusCode.PERMISSION_DENIED, InsufficientPermissionsError),
        (grpc.StatusCode.UNAUTHENTICATED, InsufficientPermissionsError),
    ],
)
def test_what_fails_is_raised_as_the_client_raises_it(
    client: Client, answers: Answers, status: grpc.StatusCode, error: type[Exception]
) -> None:
    answers.before = lambda _seller, context: context.abort(status, "not now")
    with pytest.raises(error, match="not now"):
        list(client.replies(requests(5), 2))


def test_a_connection_that_is_closed_by_another_thread_gives_its_searches_up(client: Client, answers: Answers) -> None:
    arrived, release = threading.Event(), threading.Event()

    def hold(_seller: int, _context: Any) -> None:
        arrived.set()
        release.wait(30)

    answers.before = hold
    with ThreadPoolExecutor(1) as threads:
        searching = threads.submit(lambda: list(client.replies(requests(3), 2)))
        assert arrived.wait(30)
        client.close()
        try:
            with pytest.raises((WeaviateQueryError, ValueError), match=r"closed|Closed"):
                searching.result(30)
        finally:
            release.set()
    with pytest.raises(ValueError, match="closed"):
        list(client.replies(requests(1), 2))


def test_after_a_failure_only_what_was_not_answered_is_asked_again(
    collection: OfferCollection, answers: Answers
) -> None:
    failed = threading.Event()

    def fail_once(seller: int, context: Any) -> None:
        if seller == 9 and not failed.is_set():
            failed.set()
            context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")

    answers.before = fail_once
    found = collection.near([(QUERY, seller, None) for seller in range(12)], 1, exact=False)
    assert found == [[(seller, 7, 0.5)] for seller in range(12)]
    assert failed.is_set()
    assert [answers.asked.count(seller) for seller in range(9)] == [1] * 9


def test_a_search_that_is_not_allowed_ends_at_once(collection: OfferCollection, answers: Answers) -> None:
    answers.before = lambda _seller, context: context.abort(grpc.StatusCode.PERMISSION_DENIED, "no reader")
    with pytest.raises(WeaviateMismatch, match="refuses to search"):
        collection.near([(QUERY, NO_SELLER, None)], 1, exact=False)
    assert len(answers.asked) == 1


def test_a_batch_that_is_being_answered_does_not_count_as_waiting(url: str) -> None:
    link = Link(WeaviateSettings(url=url))

    def request(_client: Any) -> bool:
        (since,) = (since for since, _ in link._under_way.values())
        while time.monotonic() == since:
            pass
        link.heard()
        (again,) = (since for since, _ in link._under_way.values())
        return again > since

    link._connected = lambda: None  # type: ignore[assignment,method-assign,return-value]
    assert link.ask("search", request)
    assert not link._under_way
    link.close()
