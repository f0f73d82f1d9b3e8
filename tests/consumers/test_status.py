"""What a process tells of itself: probes that follow the loop, and a server that nobody can hold up."""

import socket
import urllib.error
import urllib.request

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from consumers.status import Report, Status, StatusServer
from matcher.metrics import Metrics
from tests.consumers.fakes import HandClock

STALL = 60.0


class Served:
    def __init__(self) -> None:
        self.clock, self.metrics = HandClock(), Metrics()
        self.status = Status(self.metrics, self.clock, STALL, ["model_warm", "assigned"])
        self.server = StatusServer(self.status, "127.0.0.1", 0)

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port}{path}", timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read()


@pytest.fixture
def served():
    one = Served()
    with one.server:
        yield one


def test_a_process_lives_while_it_starts_however_long_its_models_take(served: Served):
    served.clock.seconds += 100 * STALL
    status, body = served.get("/livez")
    assert status == 200
    assert msgspec.json.decode(body, type=Report).heartbeat_age is None
    assert served.get("/readyz")[0] == 503


def test_a_process_lives_as_long_as_its_loop_turns(served: Served):
    served.status.heartbeat()
    assert served.get("/livez")[0] == 200
    served.clock.seconds += STALL
    assert served.get("/livez")[0] == 200
    served.clock.seconds += 0.5
    status, body = served.get("/livez")
    assert status == 503
    assert msgspec.json.decode(body, type=Report).heartbeat_age == STALL + 0.5
    served.status.heartbeat()
    assert served.get("/livez")[0] == 200


def test_it_is_ready_when_all_conditions_hold_and_while_it_lives(served: Served):
    served.status.heartbeat()
    assert served.get("/readyz")[0] == 503
    served.status.set("model_warm", True)
    status, body = served.get("/readyz")
    assert status == 503
    assert msgspec.json.decode(body, type=Report).conditions == {"model_warm": True, "assigned": False}
    served.status.set("assigned", True)
    assert served.get("/readyz")[0] == 200
    served.clock.seconds += STALL + 1
    assert served.get("/readyz")[0] == 503, "what does not turn cannot work"
    served.status.heartbeat()
    served.status.set("assigned", False)
    assert served.get("/readyz")[0] == 503


def test_an_unknown_condition_is_a_mistake(served: Served):
    with pytest.raises(KeyError, match="model_warm, assigned"):
        served.status.set("warm", True)


def test_metrics_agree_with_the_probes_and_can_be_parsed(served: Served):
    served.status.set("model_warm", True)
    served.status.set("assigned", True)
    served.status.heartbeat()
    status, body = served.get("/metrics")
    assert status == 200
    samples = {s.name: s.value for family in text_string_to_metric_families(body.decode()) for s in family.samples}
    assert samples["offermatch_ready"] == 1
    assert samples["offermatch_loop_heartbeat_timestamp_seconds"] == served.clock.seconds


@pytest.mark.parametrize("path", ["/", "/metrics/", "/livez/x", "/%2e%2e/etc/passwd", "/READYZ"])
def test_everything_else_is_not_found(served: Served, path: str):
    status, body = served.get(path)
    assert status == 404
    assert b"expected /metrics, /livez or /readyz" in body


def test_clients_that_connect_and_say_nothing_hold_up_nobody(served: Served):
    silent = [socket.create_connection(("127.0.0.1", served.server.port)) for _ in range(5)]
    try:
        assert served.get("/livez")[0] == 200
    finally:
        for one in silent:
            one.close()


def test_an_address_that_is_taken_is_named(served: Served):
    with pytest.raises(OSError, match=rf"cannot serve metrics on 127\.0\.0\.1:{served.server.port}"):
        StatusServer(served.status, "127.0.0.1", served.server.port)


def test_the_address_is_free_again_afterwards():
    one = Served()
    with one.server:
        pass
    with StatusServer(one.status, "127.0.0.1", one.server.port):
        pass
