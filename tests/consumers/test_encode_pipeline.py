"""The encoder's threads: batches grow while the device is busy, nothing waits while it is idle, nobody is held up."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from consumers.encoding.pipeline import Pipeline
from consumers.encoding.work import Work
from consumers.photos import PhotoLimits, PhotoLoader
from matcher.arrays import F32Array
from matcher.encoders import EncoderSpec, load_encoder
from matcher.encoding import RawFeatures
from matcher.events.dead_letter import Failure
from matcher.events.offer import Offer
from matcher.metrics import Metrics
from tests.consumers.fakes import record

WAIT = 30.0


class GatedEncoder:
    """The dummy encoder, but every batch tells of itself and waits until the test lets it through."""

    def __init__(self) -> None:
        self._dummy = load_encoder(EncoderSpec(name="dummy"))
        self.came: queue.Queue[list[str]] = queue.Queue()
        self.gate = threading.Semaphore(0)
        self.bad: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dummy, name)

    def encode_texts(self, texts: Sequence[str]) -> F32Array:
        self.came.put(list(texts))
        assert self.gate.acquire(timeout=WAIT)
        if self.bad & set(texts):
            raise RuntimeError("the device is ill")
        return self._dummy.encode_texts(texts)


class Bench:
    def __init__(self, folder: Path, batch_size: int = 8) -> None:
        self.encoder = GatedEncoder()
        loader = PhotoLoader(PhotoLimits(), file_root=folder, target_side=32)
        self.pipeline = Pipeline(self.encoder, loader, Metrics(), batch_size=batch_size, threads=2, photos=4)  # type: ignore[arg-type]
        self.works: list[Work] = []

    def submit(self, *titles: str) -> list[Work]:
        works = [
            Work(record(len(self.works) + n, b"x"), Offer(offer_id=title, title=title))
            for n, title in enumerate(titles)
        ]
        self.works += works
        for work in works:
            self.pipeline.submit(work)
        return works

    def batch(self) -> list[str]:
        """The batch that is on the device now."""
        return self.encoder.came.get(timeout=WAIT)

    def let_through(self, batches: int = 1) -> None:
        self.encoder.gate.release(batches)

    def close(self) -> None:
        self.let_through(1_000)
        self.pipeline.close()  # returns when the device is through with what it has begun


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def one(**more: Any) -> Bench:
        made.append(Bench(tmp_path, **more))
        return made[-1]

    yield one
    for bench in made:
        bench.close()


def test_what_comes_while_the_device_is_idle_goes_at_once(make: Callable[..., Bench]):
    bench = make()
    bench.submit("one")
    assert bench.batch() == ["one"], "it waits for nobody"


def test_batches_grow_while_the_device_is_busy_up_to_the_batch_size(make: Callable[..., Bench]):
    bench = make(batch_size=4)
    bench.submit("first")
    assert bench.batch() == ["first"]
    bench.submit("a", "b", "c", "d", "e", "f")
    bench.let_through(3)
    assert (bench.batch(), bench.batch()) == (["a", "b", "c", "d"], ["e", "f"])


def test_a_device_that_hangs_holds_up_nobody_who_hands_it_work(make: Callable[..., Bench]):
    bench = make(batch_size=4)
    bench.submit("hangs")
    bench.batch()
    works = bench.submit(*map(str, range(1_000)))
    assert not any(work.done for work in works)


def test_what_was_dropped_meanwhile_is_not_encoded(make: Callable[..., Bench]):
    bench = make()
    bench.submit("first")
    bench.batch()
    lost, kept = bench.submit("lost", "kept")
    lost.dropped = True
    bench.let_through(2)
    assert bench.batch() == ["kept"]
    bench.close()
    assert (lost.result, type(kept.result)) == (None, RawFeatures)


def test_one_offer_that_the_device_refuses_fails_alone(make: Callable[..., Bench]):
    bench = make()
    bench.encoder.bad = {"bad"}
    bench.submit("first")
    bench.batch()
    bench.submit("good", "bad", "fine")
    bench.let_through(100)
    assert [bench.batch() for _ in range(4)] == [["good", "bad", "fine"], ["good"], ["bad"], ["fine"]]
    bench.close()
    results = {work.offer_id: work.result for work in bench.works}
    assert isinstance(results["bad"], Failure)
    assert results["bad"].reason == "encode_failed"
    assert all(isinstance(results[name], RawFeatures) for name in ("first", "good", "fine"))
