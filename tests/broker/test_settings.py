"""A node's settings file, ports, and the folder's memory of itself: all that needs no running broker."""

import socket
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.cluster import KafkaCluster
from broker.lock import FolderInUse, FolderLock
from broker.meta import PortTaken, settle
from broker.ports import accepts, free_ports, is_free
from broker.properties import NodeAddress, server_properties, to_file_text

ONE = NodeAddress(1, 21001, 21002)
THREE = [NodeAddress(number, 21000 + number, 22000 + number) for number in (1, 2, 3)]


def unescape(text: str) -> str:
    """Java's rules for a value in a `.properties` file, by the letter."""
    units: list[int] = []
    at = 0
    while at < len(text):
        if text[at] != "\\":
            units.append(ord(text[at]))
            at += 1
        elif text[at + 1] == "u":
            units.append(int(text[at + 2 : at + 6], 16))
            at += 6
        else:
            units.append(ord({"n": "\n", "r": "\r"}.get(text[at + 1], text[at + 1])))
            at += 2
    return b"".join(unit.to_bytes(2, "big") for unit in units).decode("utf-16-be")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_javas_settings_format(value):
    line = to_file_text({"key": value})
    assert line.isascii()
    assert line.count("\n") == 1
    assert unescape(line.removeprefix("key=").removesuffix("\n")) == value
    assert not line.removeprefix("key=").startswith(tuple(string.whitespace)) or value == ""


def test_a_single_node_keeps_one_copy_and_three_keep_three_with_two_in_sync():
    single = server_properties(ONE, [ONE], {})
    triple = server_properties(THREE[0], THREE, {})
    for topic in ("offsets.topic.replication.factor", "transaction.state.log.replication.factor"):
        assert (single[topic], triple[topic]) == ("1", "3")
    assert (single["min.insync.replicas"], triple["min.insync.replicas"]) == ("1", "2")
    assert triple["controller.quorum.voters"] == "1@127.0.0.1:22001,2@127.0.0.1:22002,3@127.0.0.1:22003"


def test_nothing_listens_beyond_loopback():
    listeners = server_properties(ONE, [ONE], {})["listeners"].split(",")
    assert listeners == ["PLAINTEXT://127.0.0.1:21001", "CONTROLLER://127.0.0.1:21002"]


def test_given_settings_win_but_cannot_tear_the_cluster_apart():
    assert server_properties(ONE, [ONE], {"num.io.threads": "9"})["num.io.threads"] == "9"
    with pytest.raises(ValueError, match=r"listeners, node\.id"):
        server_properties(ONE, [ONE], {"node.id": "7", "listeners": "PLAINTEXT://0.0.0.0:9092"})


def test_a_port_in_use_is_neither_free_nor_offered():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert accepts(port)
    assert is_free(port)
    assert not accepts(port)


def test_free_ports_are_different_and_avoid_what_they_should():
    first = free_ports(20)
    assert len(set(first)) == 20
    assert not set(first) & set(free_ports(20, avoid=first))


def test_a_folder_remembers_its_cluster_and_ports(tmp_path):
    first = settle(tmp_path, 3, None)
    assert settle(tmp_path, 3, None) == first


def test_a_remembered_port_that_is_taken_now_is_replaced(tmp_path):
    first = settle(tmp_path, 3, None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first.ports[1]))
        taken.listen(1)
        second = settle(tmp_path, 3, None)
    assert second.cluster_id == first.cluster_id
    assert (second.ports[0], second.ports[2]) == (first.ports[0], first.ports[2])
    assert second.ports[1] != first.ports[1]


def test_a_given_port_that_is_taken_is_refused_and_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            settle(tmp_path, 1, [port])


def test_a_folder_made_for_three_nodes_does_not_start_with_one(tmp_path):
    settle(tmp_path, 3, None)
    with pytest.raises(ValueError, match=r"cluster of 3 node\(s\)"):
        settle(tmp_path, 1, None)


def test_a_memory_file_that_is_not_ours_is_refused(tmp_path):
    (tmp_path / "cluster.json").write_text("{}")
    with pytest.raises(ValueError, match=r"cluster\.json is not what this program writes"):
        settle(tmp_path, 1, None)


@pytest.mark.parametrize(("nodes", "ports"), [(0, None), (2, None), (1, [1, 2]), (3, [5, 5, 6])])
def test_impossible_clusters_are_refused_at_once(tmp_path, nodes, ports):
    with pytest.raises(ValueError, match="node"):
        KafkaCluster(tmp_path, nodes, ports)


def test_a_locked_folder_is_refused_until_it_is_released(tmp_path):
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.acquire(timeout=0)
    with pytest.raises(FolderInUse, match=f"{tmp_path} is in use by process"):
        second.acquire(timeout=0)
    first.release()
    second.acquire(timeout=0)
    second.release()
