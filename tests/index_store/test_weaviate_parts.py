"""The parts of the Weaviate store that need no server: addresses, the directory, and waiting for a cluster."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broker.ports import free_ports
from index_store.errors import StateLocked, StateUnusable
from index_store.weaviate.directory import Directory
from index_store.weaviate.errors import WeaviateAway
from index_store.weaviate.found import Found
from index_store.weaviate.link import Incomplete, Link
from index_store.weaviate.settings import WeaviateSettings, endpoints
from index_store.weaviate.store import WeaviateStore


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080?grpc_port=50051"),
        ("http://host", "http://host:8080?grpc_port=50051"),
        ("https://host", "https://host:443?grpc_port=50051"),
        ("https://host?grpc_host=grpc.host", "https://host:443?grpc_port=443&grpc_host=grpc.host"),
        ("https://host:8443?grpc_port=7", "https://host:8443?grpc_port=7"),
    ],
)
def test_addresses_are_read(url: str, shown: str) -> None:
    assert [str(each) for each in endpoints(f"{url}, {url}")] == [shown, shown]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:8080",
        "ftp://host",
        "http://host:0x1",
        "http://host?grpc=1",
        "http://host/path",
        "http://h,",
        "https://h?grpc_port=443",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http://host:port"):
        WeaviateSettings(url=url)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"replicas": 0}, "replicas .* at least 1"),
        ({"compression": "zip"}, "compression .* one of none, rq, sq"),
        ({"consistency": "one"}, "consistency .* one of all, quorum"),
        ({"deadline": 0}, "deadline .* above 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        WeaviateSettings(url="http://host", **change)


def test_a_key_is_not_shown() -> None:
    assert "hush" not in repr(WeaviateSettings(url="http://host", api_key="hush"))


class Hours:
    """A clock that moves only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def nowhere(**changes: Any) -> WeaviateSettings:
    http, grpc = free_ports(2)
    return WeaviateSettings(**{"url": f"http://127.0.0.1:{http}?grpc_port={grpc}", **changes})


def test_a_cluster_that_is_away_is_waited_for_until_the_deadline() -> None:
    hours = Hours()
    link = Link(nowhere(deadline=9), hours, hours.wait)
    with pytest.raises(WeaviateAway, match=r"could not search within 9 s; nothing is lost"):
        link.ask("search", lambda client: None)
    assert 7 <= hours.now <= 9


def test_no_deadline_means_one_attempt() -> None:
    hours = Hours()
    with pytest.raises(WeaviateAway):
        Link(nowhere(), hours, hours.wait).ask("search", lambda client: None, deadline=0)
    assert hours.now == 0


def test_a_store_whose_cluster_is_away_says_so_and_leaves_its_folder_free(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(WeaviateAway):
            WeaviateStore(4, nowhere(deadline=0.1), tmp_path)


def test_what_is_done_in_part_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = Hours()
    link = Link(nowhere(), hours, hours.wait)
    monkeypatch.setattr(link, "_connected", object)
    answers = [Incomplete("1 of 2"), Incomplete("1 of 2"), "done"]

    def request(_: Any) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Incomplete):
            raise answer
        return answer

    assert link.ask("write", request) == "done"
    assert hours.now > 0


class Client:
    """In the place of a connection."""

    def connect(self) -> None: ...

    def close(self) -> None: ...


def test_a_client_that_another_thread_closed_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = Hours()
    link = Link(nowhere(), hours, hours.wait)
    monkeypatch.setattr("index_store.weaviate.link.Client", lambda *_: Client())
    used: list[Client] = []

    def search(client: Client) -> str:
        used.append(client)
        if len(used) == 1:
            link._leave(client)
            raise ValueError("Cannot invoke RPC on closed channel!")
        return "found"

    assert link.ask("search", search) == "found"
    assert used[0] is not used[1]


def test_another_wrong_value_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = Hours()
    link = Link(nowhere(), hours, hours.wait)
    monkeypatch.setattr("index_store.weaviate.link.Client", lambda *_: Client())

    def search(client: Client) -> str:
        raise ValueError("no such dimension")

    with pytest.raises(ValueError, match="no such dimension"):
        link.ask("search", search)
    assert hours.now == 0


def test_who_asks_is_told_what_is_waited_for_and_when_that_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    hours, said = Hours(), list[str]()
    link = Link(nowhere(deadline=5), hours, hours.wait, said.append)
    monkeypatch.setattr(link, "_connected", object)
    answers = [Incomplete("1 of 2"), Incomplete("one of two")]

    def request(_: Any) -> None:
        if answers:
            raise answers.pop(0)

    link.ask("write", request)
    assert said == ["write: 1 of 2", "write: one of two", ""]
    said.clear()

    def within(_: Any) -> None:
        link.ask("write", never)

    def never(_: Any) -> None:
        raise Incomplete("no")

    answers.append(Incomplete("no"))
    with pytest.raises(WeaviateAway):
        link.ask("search", lambda client: (request(client), within(client)))
    assert said.count("") == 1, "the one that still waits keeps the other from saying that it is over"
    assert said[-1] == ""
    said.clear()
    with pytest.raises(WeaviateAway):
        link.ask("sweep", never, deadline=0)
    assert said == [], "what can wait makes nobody wait"


def entries(directory: Directory, keys: list[int], value: float) -> Found:
    n = len(keys)
    return Found(
        np.array(keys),
        directory.announce(np.array(keys)),
        np.arange(n, dtype=np.int32),
        np.full(n, -1, np.int32),
        np.full((n, 4), value, np.float16),
    )


def all_strays(directory: Directory) -> set[tuple[int, int]]:
    return set(directory.strays(1000))


def test_every_object_out_there_is_an_entry_or_a_stray_at_every_moment(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "d.sqlite", 4)
    first = entries(directory, [5, 2, 9], 0.5)
    assert all_strays(directory) == {(5, 1), (2, 2), (9, 3)}
    assert len(directory) == 0
    directory.settle(first, np.array([True, False, False]))
    assert all_strays(directory) == set()
    second = entries(directory, [2], 0.25)
    assert all_strays(directory) == {(2, 4)}
    directory.settle(second, np.array([False]))
    assert all_strays(directory) == {(2, 2)}
    assert directory.drop(np.array([9, 9, 77])) == 1
    assert all_strays(directory) == {(2, 2), (9, 3)}
    directory.close()
    again = Directory(tmp_path / "d.sqlite", 4)
    assert all_strays(again) == {(2, 2), (9, 3)}
    again.forget([(2, 2)])
    assert all_strays(again) == {(9, 3)}
    assert len(again) == 2
    found = again.find(np.array([5, 2, 3]))
    assert found.keys.tolist() == [2, 5]
    assert found.generations.tolist() == [4, 1]
    assert found.vectors.tolist() == [[0.25] * 4, [0.5] * 4]
    assert again.longest == pytest.approx(1.0)
    assert again.thin(10).keys.tolist() == [5]
    again.settle(again.thin(10), np.array([False]))
    assert again.thin(10).keys.tolist() == []
    assert entries(again, [1], 0.5).generations.tolist() == [5]
    again.close()


def test_what_was_found_before_is_told_as_it_is_now() -> None:
    directory = Directory(None, 4)
    directory.settle(entries(directory, [1, 2, 3], 0.5), np.zeros(3, bool))
    assert directory.find(np.array([3, 1, 2, 9])).keys.tolist() == [1, 2, 3]
    assert directory.find(np.array([3, 2])).vectors.tolist() == [[0.5] * 4] * 2
    directory.settle(entries(directory, [2, 9], 0.25), np.zeros(2, bool))
    found = directory.find(np.array([2, 3, 9]))
    assert (found.keys.tolist(), found.vectors[:, 0].tolist()) == ([2, 3, 9], [0.25, 0.5, 0.25])
    directory.drop(np.array([3]))
    assert directory.find(np.array([2, 3, 9])).keys.tolist() == [2, 9]
    directory.start_over()
    assert directory.find(np.array([2])).keys.tolist() == []
    directory.close()


def test_starting_over_forgets_everything_and_is_another_collection(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "d.sqlite", 4)
    before = directory.incarnation
    directory.settle(entries(directory, [1, 2], 0.5), np.zeros(2, bool))
    directory.start_over()
    assert len(directory) == 0
    assert directory.incarnation != before
    assert entries(directory, [1], 0.5).generations.tolist() == [3]
    directory.close()


def test_a_directory_belongs_to_one_process_and_says_when_it_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "d.sqlite"
    directory = Directory(path, 4)
    with pytest.raises(StateLocked):
        Directory(path, 4)
    directory.close()
    path.write_bytes(b"not a database, " * 600)
    with pytest.raises(StateUnusable, match="damaged"):
        Directory(path, 4)
