"""The broker in the foreground: one signal stops it cleanly, a second ends it at once, and nothing is left behind."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.broker.test_cluster import gone

pytestmark = pytest.mark.kafka

SCRIPT = """
import sys, threading
from pathlib import Path
from broker.cluster import KafkaCluster
from broker.run import run_foreground
from producers.topics import can_produce

class NeverStops(KafkaCluster):
    def stop(self, timeout=30.0):
        print("stopping", flush=True)
        threading.Event().wait()

cluster = {kind}(Path(sys.argv[1]))
def announce(address):
    print(address, cluster.pids[1], flush=True)
clean = run_foreground(cluster, {ready}, announce)
print("clean" if clean else "killed", flush=True)
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running = []

    def begin(kind: str = "KafkaCluster", ready: str = "can_produce") -> "subprocess.Popen[str]":
        script = SCRIPT.format(kind=kind, ready=ready)
        command = [sys.executable, "-c", script, str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def test_a_signal_stops_it_cleanly(start):
    process = start()
    address, pid = process.stdout.readline().split()
    assert address.startswith("127.0.0.1:")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("clean\n", "", 0)
    assert gone(int(pid), within=0.1)


def test_a_second_signal_ends_it_at_once(start):
    process = start("NeverStops")
    _, pid = process.stdout.readline().split()
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "stopping\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert gone(int(pid))


def test_a_signal_during_start_up_ends_the_waiting(start):
    process = start(ready="lambda _: print('asked', flush=True)")
    assert process.stdout.readline() == "asked\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert out.splitlines()[-1] == "clean"


def test_the_death_of_the_broker_is_reported(start):
    process = start()
    _, pid = process.stdout.readline().split()
    subprocess.run(["kill", "-9", pid], check=True)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "BrokerDied: Kafka node 1 ended with status -9" in err
    assert "server.log:" in err
