"""`offermatch bench takeover`: from `kill -9` of the matcher that decides to the first decision of its standby.

Two matcher processes on a Kafka of their own. In turns: the one that decides is killed at a random moment of a burst of
offers, the other one takes over, the killed one is started again and becomes the standby. The reference does without
standing by: the one that takes over loads its state only then, and follows what was decided since it last had it.
"""

import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.results import Benchmark, Result, machine, versions
from broker.cluster import KafkaCluster
from broker.watchdog import Watchdog
from consumers.watching import DecisionWatcher
from matcher.clock import Clock
from matcher.encoding import RawFeatures
from matcher.events.decision import Decision
from matcher.events.envelope import Record
from matcher.events.offer import Offer
from matcher.model.bundle import Bundle, load_bundle
from matcher.settings import Settings, load_settings
from producers.features import features_record
from producers.plain import Publisher
from producers.topic_plan import create
from producers.topics import can_produce

BUNDLE = "untrained-dummy"
#: Offers in whose midst a matcher is killed.
BURST = 1_000
#: Seconds without a decision after which something must be wrong.
PATIENCE = 300.0


class TakeoverFailedError(RuntimeError):
    """A matcher ended by itself, or something did not come in time; the message ends with its log."""


class TakeoverOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`offers` are in the index before the first kill. `session`: Kafka's session time-out in seconds."""

    offers: int
    kills: int
    session: float
    seed: int
    folder: Path


def bench_takeover(options: TakeoverOptions, clock: Clock, say: Callable[[str], None]) -> Benchmark:
    """Median and longest take-over with and without standing by. Raises `TakeoverFailedError`, and as Kafka does."""
    with ExitStack() as stack:
        bootstrap = os.environ.get("KAFKA_BOOTSTRAP")
        if bootstrap is None:
            cluster = stack.enter_context(KafkaCluster(options.folder / "kafka"))
            cluster.start(can_produce)
            bootstrap = cluster.bootstrap
        with _Match(options, bootstrap, clock, say) as match:
            ours = match.play("standing by", 1)
            reference = match.play("loading only then", 0)
    what = f"kill -9 to first decision, {options.offers:,} offers, session {options.session:g} s"
    results = [
        Result(
            name=f"{what}, {name} of {options.kills}",
            ours=figure(ours),
            reference=figure(reference),
            reference_name="without standing by",
            ratio=figure(ours) / figure(reference),
            unit="s",
        )
        for name, figure in (("p50", statistics.median), ("max", max))
    ]
    return Benchmark(results=tuple(results), machine=machine(), versions=versions("confluent-kafka", "faiss-cpu"))


class _Match:
    """Two matchers, one topic of features, one watcher of decisions."""

    def __init__(self, options: TakeoverOptions, bootstrap: str, clock: Clock, say: Callable[[str], None]) -> None:
        self._options = options
        self._clock = clock
        self._say = say
        self._draws = random.Random(options.seed)
        self._noise = np.random.default_rng(options.seed)
        self._bundle: Bundle = load_bundle(BUNDLE)
        name = f"takeover-{os.getpid()}"
        self._environ = {
            "KAFKA_BOOTSTRAP": bootstrap,
            "OFFERMATCH_KAFKA_SESSION_TIMEOUT": f"{options.session:g}",
            "OFFERMATCH_TOPICS_PREFIX": f"{name}.",
            "OFFERMATCH_MATCHER_BUNDLE": BUNDLE,
            "OFFERMATCH_MATCHER_GROUP": name,
        }
        self._settings: Settings = load_settings(environ=self._environ)
        self._sent = 0
        self._decided = 0
        self._last = 0.0  # when the last decision became visible
        self._changed = threading.Condition()
        self._stack = ExitStack()

    def __enter__(self) -> "_Match":
        create(self._settings, wait=30)
        self._publisher = self._stack.enter_context(Publisher(self._settings.kafka, self._clock))
        self._stack.enter_context(DecisionWatcher(self._settings, self._saw))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def play(self, name: str, standby: int) -> list[float]:
        """Kills as often as it says; returns the seconds that each take-over took."""
        took = []
        with self._matcher("one", standby) as one, self._matcher("two", standby) as two:
            owner, other = one, two
            for player in (owner, other):
                player.start()
                player.wait_ready(self._wait)
            self._send(max(0, self._options.offers - self._sent))
            self._wait(lambda: self._decided >= self._sent, "all offers to be decided", owner)
            for number in range(self._options.kills):
                other.wait_ready(self._wait)
                took.append(self._kill(owner, other))
                self._say(f"{name}: take-over {number + 1} of {self._options.kills} took {took[-1]:.2f} s")
                self._wait(lambda: self._decided >= self._sent, "the burst to be decided", other)
                owner.start()
                owner, other = other, owner
        return took

    def _kill(self, owner: "_Matcher", other: "_Matcher") -> float:
        enough = self._decided + self._draws.randrange(BURST // 2)
        self._send(BURST)
        self._wait(lambda: self._decided >= enough, "the burst to begin", owner)
        owner.kill()
        killed = self._clock.monotonic()
        self._send(BURST // 10)  # so that there is something to decide
        # What its predecessor committed last may be seen after the kill, but not as late as that.
        self._wait(lambda: self._last > killed + self._options.session / 2, "the first decision after the kill", other)
        return self._first_after(killed)

    def _first_after(self, killed: float) -> float:
        with self._changed:
            return next(seen for seen in self._seen if seen > killed + self._options.session / 2) - killed

    def _send(self, count: int) -> None:
        with self._changed:
            self._seen: list[float] = []
        width = self._bundle.encoder.text_dim
        for number in range(self._sent, self._sent + count):
            offer = Offer(offer_id=f"offer-{number}", seller_id=f"seller-{number % 97}", title=f"thing {number}")
            text = self._noise.standard_normal(width).astype(np.float16)
            record = Record(
                topic=self._settings.topics.offers,
                partition=0,
                offset=number,
                key=offer.offer_id.encode(),
                value=b"{}",
                timestamp_ms=self._clock.now_ms(),
            )
            self._publisher.send(
                features_record(
                    record,
                    offer,
                    RawFeatures(image=None, text=text, image_count=0),
                    encoder=self._bundle.encoder.fingerprint,
                    topic=self._settings.topics.prefix + self._bundle.features_topic,
                    repairs=(),
                    photo_failures=(),
                )
            )
        self._publisher.finish()
        self._sent += count

    def _saw(self, _: Decision) -> None:
        with self._changed:
            self._decided += 1
            self._last = self._clock.monotonic()
            self._seen.append(self._last)
            self._changed.notify_all()

    def _wait(self, condition: Callable[[], bool], what: str, player: "_Matcher") -> None:
        begun = self._clock.monotonic()
        while not condition():
            player.check(what)
            if self._clock.monotonic() > max(begun, self._last) + PATIENCE:
                raise TakeoverFailedError(f"waited in vain for {what}\n{player.tail()}")
            with self._changed:
                self._changed.wait(0.05)

    @contextmanager
    def _matcher(self, name: str, standby: int) -> Iterator["_Matcher"]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        own = {
            "OFFERMATCH_MATCHER_STATE_FOLDER": str(self._options.folder / name),
            "OFFERMATCH_MATCHER_HTTP_PORT": str(port),
            "OFFERMATCH_MATCHER_STANDBY": str(standby),
        }
        player = _Matcher(self._environ | own, port, self._options.folder / f"{name}.log")
        try:
            yield player
        finally:
            player.kill()


class _Matcher:
    """A matcher process that can be killed and started again."""

    def __init__(self, environ: Mapping[str, str], port: int, log: Path) -> None:
        self._environ = environ
        self._url = f"http://127.0.0.1:{port}/readyz"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: Watchdog | None = None

    def start(self) -> None:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "offermatch", "matcher"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self._environ},
            )
        self._watchdog = Watchdog(self._process.pid)

    def kill(self) -> None:
        if self._process is not None and self._watchdog is not None:
            self._process.kill()
            self._process.wait()
            self._watchdog.dismiss()
            self._process = None

    def wait_ready(self, wait: Callable[[Callable[[], bool], str, "_Matcher"], None]) -> None:
        wait(self._ready, "a matcher to be ready", self)

    def check(self, what: str) -> None:
        if self._process is not None and self._process.poll() is not None:
            raise TakeoverFailedError(f"a matcher ended while waiting for {what}\n{self.tail()}")

    def tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    def _ready(self) -> bool:
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(self._url, timeout=2) as answer:
            return bool(answer.status == 200)
        return False
