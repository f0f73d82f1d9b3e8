"""What the screen shows follows from two scrapes of the processes' metrics."""

from rich.console import Console

from consumers.status import Status, StatusServer
from demo.readings import rates, read_all
from demo.view import Recent, draw, line
from matcher.clock import SystemClock
from matcher.metrics import Metrics


def test_rates_are_differences_over_time_and_means_over_what_happened() -> None:
    metrics = Metrics()
    with StatusServer(Status(metrics, SystemClock(), 60, ["up"]), "127.0.0.1", 0) as server:
        urls = {"encoder": f"http://127.0.0.1:{server.port}/metrics"}
        before = read_all(urls, at=10.0)
        metrics.encoded.inc(30)
        metrics.batch_offers.observe(10)
        metrics.batch_offers.observe(20)
        metrics.stage("search").observe(0.25)
        rate = rates(before, read_all(urls, at=12.0))
    assert rate.offers == 15.0
    assert rate.batch == {"encoder": 15.0, "matcher": None}
    assert rate.stage_seconds["search"] == 0.25
    assert rate.stage_seconds["publish"] is None


def test_a_process_that_does_not_answer_is_left_out() -> None:
    assert read_all({"encoder": "http://127.0.0.1:1/metrics"}, at=0.0).samples == {}


def test_the_screen_shows_decisions_lag_and_titles() -> None:
    metrics = Metrics()
    metrics.decided.labels("matched").inc(7)
    metrics.lag.labels("offers", "0").set(3)
    with StatusServer(Status(metrics, SystemClock(), 60, ["up"]), "127.0.0.1", 0) as server:
        now = read_all({"matcher": f"http://127.0.0.1:{server.port}/metrics"}, at=1.0)
    recent = [Recent("Blue boots", "matched", 0.97, "Boots, blue")]
    console = Console(record=True, width=140, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(draw(100, 9, now, rates(now, now), recent))
    text = console.export_text()
    for expected in ("7 of 100 decided", "matcher 3", "Blue boots", "match 0.97", "Boots, blue"):
        assert expected in text
    assert line(100, now, rates(now, now)).startswith("7 of 100 decided")
