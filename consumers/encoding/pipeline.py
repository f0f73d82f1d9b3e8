"""The threads of an encoder: many load photos, one feeds the device.

The device thread takes whatever is ready when it becomes free, so batches grow with load and nothing waits when idle.
"""

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from consumers.encoding.work import Pixels, Work
from consumers.photos import Photo, PhotoLoader
from matcher.encoders import Encoder
from matcher.encoding import Encodable, encode_offers
from matcher.events.dead_letter import Failure
from matcher.events.features import PhotoFailure
from matcher.metrics import Metrics

log = logging.getLogger(__name__)


class Pipeline:
    """Encodes `Work` in the background; `work.done` turns true when it is ready to be published."""

    def __init__(
        self, encoder: Encoder, loader: PhotoLoader, metrics: Metrics, *, batch_size: int, threads: int, photos: int
    ) -> None:
        """`photos`: how many photos of an offer are looked at."""
        self._encoder = encoder
        self._loader = loader
        self._metrics = metrics
        self._batch_size = batch_size
        self._photos = photos
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="photo")
        self._ready: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._device = threading.Thread(target=self._run_device, name="device", daemon=True)
        self._device.start()

    def submit(self, work: Work) -> None:
        """Takes an offer that was read; its photos start loading at once."""
        assert work.offer is not None
        urls = work.offer.image_urls[: self._photos]
        if not urls:
            self._ready.put(work)
            return
        left = _Countdown(len(urls), lambda: self._ready.put(work))
        work.photos = [self._pool.submit(self._load, url, work) for url in urls]
        for future in work.photos:
            future.add_done_callback(left)

    def close(self) -> None:
        """Ends the threads; what is in flight is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._ready.put(None)
        self._device.join(timeout=30)
        self._loader.close()

    def _load(self, url: str, work: Work) -> Pixels | PhotoFailure:
        if work.dropped:
            return PhotoFailure(url, "dropped")
        with self._metrics.stage("photo_load").time():
            photo = self._loader.load(url)
            if isinstance(photo, Photo):
                pixels = self._encoder.preprocess(photo.image)
                self._metrics.photos.labels("ok").inc()
                return pixels
        self._metrics.photos.labels(photo.reason).inc()
        return PhotoFailure("data:" if url[:5].lower() == "data:" else url, photo.reason)

    def _run_device(self) -> None:
        while True:
            batch = self._next_batch()
            if batch is None:
                return
            live = [work for work in batch if not work.dropped]
            if live:
                self._metrics.batch_offers.observe(len(live))
                self._encode(live)

    def _next_batch(self) -> list[Work] | None:
        """Waits for one, then takes all that are ready, up to the batch size. None: the pipeline is closed."""
        first = self._ready.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < self._batch_size:
            try:
                work = self._ready.get_nowait()
            except queue.Empty:
                break
            if work is None:
                return None
            batch.append(work)
        return batch

    def _encode(self, batch: Sequence[Work]) -> None:
        """Sets every result. A batch that the device refuses is tried one by one: an offer must not fail the others."""
        try:
            results = encode_offers(self._encoder, [_encodable(work) for work in batch], self._metrics)
        except Exception as error:  # whatever a model raises, the stream goes on
            if len(batch) == 1:
                log.exception("offer at %s cannot be encoded", batch[0].record.place)
                batch[0].result = Failure(stage="encoder", reason="encode_failed", message=repr(error))
                return
            for work in batch:
                self._encode([work])
            return
        for work, result in zip(batch, results, strict=True):
            work.result = result


class _Countdown:
    """Calls `then` when it has been called `count` times, from whichever thread comes last."""

    def __init__(self, count: int, then: Callable[[], None]) -> None:
        self._count = count
        self._then = then
        self._lock = threading.Lock()

    def __call__(self, _: Future[Pixels | PhotoFailure]) -> None:
        with self._lock:
            self._count -= 1
            last = self._count == 0
        if last:
            self._then()


def _encodable(work: Work) -> Encodable:
    assert work.offer is not None
    return Encodable(work.offer, work.pixels())
