"""A real Kafka, started, stopped, killed, frozen and started again: what was acknowledged is never lost."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from broker.cluster import KafkaCluster
from broker.jars import ensure_jars
from broker.lock import FolderInUse
from broker.node import BrokerDied
from producers.topics import can_produce
from tests.kafka import make_topic, read, send

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    with KafkaCluster(tmp_path_factory.mktemp("own kafka, ü")) as own:
        own.start(can_produce)
        yield own


def gone(pid: int, within: float = 30.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def test_what_is_sent_is_read(cluster, unique_name):
    topic = unique_name("t")
    make_topic(cluster.bootstrap, topic)
    send(cluster.bootstrap, topic, b"one", b"two")
    assert read(cluster.bootstrap, topic) == [b"one", b"two"]


def test_an_aborted_transaction_is_never_shown(cluster, unique_name):
    topic = unique_name("t")
    make_topic(cluster.bootstrap, topic)
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": unique_name("id")})
    producer.init_transactions(30)
    for value, finish in ((b"kept", producer.commit_transaction), (b"dropped", producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(30)
        finish(30)
    assert read(cluster.bootstrap, topic) == [b"kept"]
    assert read(cluster.bootstrap, topic, "read_uncommitted") == [b"kept", b"dropped"]


def test_a_stopped_cluster_comes_up_with_its_records_at_its_address(cluster, unique_name):
    topic, address = unique_name("t"), cluster.bootstrap
    make_topic(address, topic)
    send(address, topic, b"before")
    assert cluster.stop()
    assert cluster.pids == {}
    cluster.start(can_produce)
    assert cluster.bootstrap == address
    send(address, topic, b"after")
    assert read(address, topic) == [b"before", b"after"]


def test_a_killed_node_comes_back_with_what_it_acknowledged(cluster, unique_name):
    topic = unique_name("t")
    make_topic(cluster.bootstrap, topic)
    send(cluster.bootstrap, topic, *(b"%d" % number for number in range(1000)))
    cluster.kill(1)
    assert cluster.pids == {}
    cluster.start_node(1, can_produce)
    assert read(cluster.bootstrap, topic) == [b"%d" % number for number in range(1000)]


def test_a_frozen_node_answers_nothing_until_it_is_resumed(cluster, unique_name):
    topic = unique_name("t")
    make_topic(cluster.bootstrap, topic)
    cluster.pause(1)
    try:
        assert not can_produce(cluster.bootstrap, timeout=1)
    finally:
        cluster.resume(1)
    send(cluster.bootstrap, topic, b"awake")
    assert read(cluster.bootstrap, topic) == [b"awake"]


def test_a_second_process_on_the_same_folder_is_refused(cluster):
    script = "import sys; from pathlib import Path; from broker.cluster import KafkaCluster\n"
    script += "KafkaCluster(Path(sys.argv[1])).start(lambda _: True)"
    second = subprocess.run(
        [sys.executable, "-c", script, str(cluster.data_dir)], capture_output=True, text=True, check=False
    )
    assert second.returncode != 0
    assert f"is in use by process {os.getpid()}" in second.stderr
    assert can_produce(cluster.bootstrap)


def test_a_running_cluster_refuses_to_be_started_again(cluster):
    with pytest.raises(FolderInUse):
        cluster.start(can_produce)
    assert can_produce(cluster.bootstrap)


def test_a_node_that_cannot_start_says_why(tmp_path):
    cluster = KafkaCluster(tmp_path, properties={"num.io.threads": "many"}, jars=ensure_jars())
    with pytest.raises(BrokerDied, match="many"):
        cluster.start(can_produce)
    assert cluster.pids == {}


def test_no_broker_outlives_a_killed_owner_and_its_folder_is_free_again(tmp_path):
    script = "import sys, time; from pathlib import Path; from broker.cluster import KafkaCluster\n"
    script += "c = KafkaCluster(Path(sys.argv[1])); c.start(lambda _: True)\n"
    script += "print(c.pids[1], flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        pid = int(owner.stdout.readline())
        owner.kill()
    assert gone(pid)
    with KafkaCluster(tmp_path) as cluster:
        cluster.start(can_produce)
        assert can_produce(cluster.bootstrap)


@pytest.mark.slow
def test_three_nodes_go_on_without_one_of_them(tmp_path, unique_name):
    topic = unique_name("t")
    with KafkaCluster(tmp_path, nodes=3, heap="256m") as cluster:
        cluster.start(lambda address: can_produce(address, brokers=3), timeout=90)
        make_topic(cluster.bootstrap, topic, replication=3)
        send(cluster.bootstrap, topic, b"three")
        cluster.kill(1)
        send(cluster.bootstrap, topic, b"two")
        assert read(cluster.bootstrap, topic) == [b"three", b"two"]
        cluster.start_node(1, lambda address: can_produce(address, brokers=3), timeout=90)
        assert cluster.stop_node(2)
        send(cluster.bootstrap, topic, b"two again")
        assert read(cluster.bootstrap, topic) == [b"three", b"two", b"two again"]
