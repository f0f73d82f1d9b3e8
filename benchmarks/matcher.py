"""`offermatch bench matcher`: offers a second that are decided with the pair verifier of a bundle, against without."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from benchmarks.results import Benchmark, Result, interleaved, machine, versions
from matcher.clock import Clock
from matcher.deciding.batch import decide_batch
from matcher.events.envelope import Record
from matcher.events.features import OfferFeatures, encode_features
from matcher.events.place import Place, Version
from matcher.memory import Memory
from matcher.metrics import Metrics
from matcher.model.bundle import Bundle, fingerprint_of
from matcher.money import numbers_of
from matcher.training.dataset import Dataset

#: Offers that are known before anything is measured, and those that are then decided, over and over.
KNOWN, ASKED = 2_000, 640
BATCH = 64


class NotMeasurable(ValueError):
    """A bundle or a table that this benchmark cannot use; the message says what was expected."""


def bench_matcher(dataset: Dataset, bundle: Bundle, rounds: int, clock: Clock) -> Benchmark:
    """Decides the same offers in batches of 64 behind 2,000 known ones; nothing is published or applied meanwhile.

    Raises `NotMeasurable` where the bundle has no verifier or is for another encoder, or the table has too few offers.
    """
    if bundle.pair_verifier is None:
        raise NotMeasurable(f"expected a bundle with a verifier, {bundle.name!r} has none")
    if dataset.encoder.fingerprint != bundle.encoder.fingerprint:
        raise NotMeasurable(f"expected offers encoded by {bundle.encoder.model}, got {dataset.encoder.model}")
    records = [record for row in range(len(dataset)) if (record := _record(dataset, row)) is not None]
    if len(records) < KNOWN + ASKED:
        raise NotMeasurable(f"expected {KNOWN + ASKED} offers with features at least, got {len(records)}")
    plain = msgspec.structs.replace(bundle, verifier=None, pair_verifier=None)
    plain = msgspec.structs.replace(plain, fingerprint=fingerprint_of(plain))
    with (
        TemporaryDirectory() as folder,
        closing(_memory(bundle, records, folder)) as ours,
        closing(_memory(plain, records, folder)) as reference,
    ):
        seconds = interleaved([_pass(ours, bundle, records), _pass(reference, plain, records)], rounds, clock)
    result = Result(
        name=f"decide {ASKED} offers of {dataset.name}, {KNOWN:,} known, batches of {BATCH}, with verifier",
        ours=ASKED / seconds[0],
        reference=ASKED / seconds[1],
        reference_name="without verifier",
        ratio=seconds[1] / seconds[0],
        unit="offers/s",
    )
    return Benchmark(
        results=(result,), machine=machine(), versions=versions("numpy", "scipy", "faiss-cpu", "rapidfuzz")
    )


def _memory(bundle: Bundle, records: Sequence[Record], folder: str) -> Memory:
    """A memory that has decided the first offers."""
    memory = Memory(Path(folder), bundle, 0, ("offer-features", "matches"), 1)
    for start in range(0, KNOWN, BATCH):
        batch = records[start : min(start + BATCH, KNOWN)]
        memory.apply_steps(decide_batch(batch, memory, bundle, Metrics()), {("offer-features", 0): start + len(batch)})
    return memory


def _pass(memory: Memory, bundle: Bundle, records: Sequence[Record]) -> Callable[[], None]:
    """The other offers once, in batches."""
    metrics = Metrics()

    def run() -> None:
        for start in range(KNOWN, KNOWN + ASKED, BATCH):
            decide_batch(records[start : start + BATCH], memory, bundle, metrics)

    return run


def _record(dataset: Dataset, row: int) -> Record | None:
    """The record on `offer-features` of one offer; None where it has neither image nor text."""
    features, offer = dataset.features, dataset.offers[row]
    image = features.image[row].astype("<f2").tobytes() if features.has_image[row] else None
    text = features.text[row].astype("<f2").tobytes() if features.has_text[row] else None
    if image is None and text is None:
        return None
    event = OfferFeatures(
        offer=offer,
        version=Version(0, row),
        cause=Place("offers", 0, row),
        encoder=dataset.encoder.fingerprint,
        image=image,
        text=text,
        numbers=np.asarray(numbers_of(offer), "<f4").tobytes(),
    )
    return Record(
        topic="offer-features", partition=0, offset=row, key=offer.offer_id.encode(), value=encode_features(event),
        headers=(), timestamp_ms=0,
    )  # fmt: skip
