"""From folders to datasets: all tables are read and checked first, then encoded, each text and photo once for ever."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
from msgspec import Struct

from consumers.datasets.account import Account, Progress
from consumers.datasets.cache import Memory, Vectors
from consumers.datasets.images import Images
from consumers.datasets.micro import MicroBatches
from consumers.datasets.needs import Needs
from consumers.datasets.on_demand import EncoderChangedError, EncoderOnDemand
from consumers.datasets.pairs import read_pairs
from consumers.datasets.photos import Photos
from consumers.datasets.problems import DatasetUnusable
from consumers.datasets.table import ReadTable, find_table, read_table
from consumers.datasets.texts import text_features
from consumers.datasets.truth import check_products, check_truth
from consumers.photos import PhotoLimits
from matcher import settings
from matcher.arrays import BoolArray, F16Array
from matcher.clock import Clock, SystemClock
from matcher.encoders import EncoderSpec
from matcher.money import numbers_of
from matcher.training.dataset import Dataset, Features, Pairs

OnProgress = Callable[[Progress], None]


def load_datasets(
    folders: Sequence[Path],
    encoder_spec: EncoderSpec,
    cache: Path,
    on_progress: OnProgress,
    *,
    needs: Needs | None = None,
    photos: settings.Photos | None = None,
    batch_size: int = 64,
    clock: Clock | None = None,
) -> list[Dataset]:
    """One dataset for each table, in their order.

    Everything is read, repaired, loaded and encoded by the code of the encoder process, with its limits (`photos`,
    whose `file_root` does not count: `file:` URLs may point under the table's own folder) and micro-batches of
    `batch_size`.
    What was encoded is kept in the folder `cache` at once: an interrupted run goes on where it was, a second one
    encodes nothing, and for an encoder whose weights are files here it does not even load it. Photos on the web are
    fetched once, and known by their URL afterwards.

    An offer without text and photo stays, with zeros, though the encoder process would make it a dead letter: it was
    asked about and cannot be answered, which evaluation must not hide. Raises `DatasetUnusable` (`CacheUnusable` is
    one) and `EncoderUnavailable`.
    """
    needs, photos, clock = needs or Needs(), photos or settings.Photos(), clock or SystemClock()
    sources = [_read(folder, needs, on_progress) for folder in _once(folders)]
    # No end to the threads' work is waited for: after Ctrl-C nobody wants it.
    pool = ThreadPoolExecutor(photos.threads, thread_name_prefix="photo")
    try:
        with closing(Memory(cache)) as memory:
            encoder = EncoderOnDemand(encoder_spec, memory)
            micro = MicroBatches(encoder, batch_size)
            while True:
                loading = _Loading(needs, photos, memory, micro, pool, clock, on_progress)
                try:
                    with closing(Vectors(cache, encoder.facts.fingerprint)) as vectors:
                        return [loading.dataset(source, vectors) for source in sources]
                except EncoderChangedError:
                    continue  # rare, and what was looked up so far belongs to another encoder: again, with this one
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class _Source(Struct, frozen=True):
    """A table that was read and checked."""

    table: ReadTable
    pairs: dict[str, Pairs]
    account: Account


def _once(folders: Sequence[Path]) -> Sequence[Path]:
    if not folders:
        raise DatasetUnusable("expected at least one folder with an offer table")
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise DatasetUnusable(f"{folder}: expected each folder once: the same offers twice would match themselves")
    return folders


def _read(folder: Path, needs: Needs, on_progress: OnProgress) -> _Source:
    account = Account()
    found = find_table(folder)

    def report(fraction: float) -> None:
        on_progress(Progress(table=found.name, stage="reading", done=fraction, total=1.0, account=account))

    table = read_table(found, account, report)
    pairs = read_pairs(table.folder, table.offers, account)
    if needs.truth:
        check_truth(table, pairs)
    if needs.products:
        check_products(table)
    if needs.images == "required" and not any(offer.image_urls for offer in table.offers):
        raise DatasetUnusable(
            f"{table.path}: expected photos: none of its {len(table.offers)} offers lists one "
            "(columns images or image_urls)"
        )
    report(1.0)
    return _Source(table, pairs, account)


class _Loading(Struct, frozen=True):
    """Everything that the tables of one run share."""

    needs: Needs
    photos: settings.Photos
    memory: Memory
    micro: MicroBatches
    pool: Executor
    clock: Clock
    on_progress: OnProgress

    def dataset(self, source: _Source, vectors: Vectors) -> Dataset:
        """Raises `DatasetUnusable` when no photo at all can be had, and what encoding raises."""
        table, account = source.table, source.account
        account.forget_encoding()
        facts = self.micro.encoder.facts
        report = partial(self._report, table, account)
        text, has_text = text_features(
            table.offers, facts.text_dim, vectors, self.micro, account=account, on_done=partial(report, "texts")
        )
        image, has_image = self._images(table, facts.image_dim, vectors, account, partial(report, "photos"))
        account.empty = int((~(has_text | has_image)).sum())
        report("done", len(table.offers))
        return Dataset(
            name=table.name,
            encoder=facts,
            offers=table.offers,
            features=Features(
                image=image,
                has_image=has_image,
                text=text,
                has_text=has_text,
                numbers=np.stack([numbers_of(offer) for offer in table.offers]),
            ),
            products=table.products,
            styles=table.styles,
            pairs=source.pairs,
        )

    def _images(
        self, table: ReadTable, dim: int, vectors: Vectors, account: Account, on_done: Callable[[int], None]
    ) -> tuple[F16Array, BoolArray]:
        if self.needs.images == "none" or not any(offer.image_urls for offer in table.offers):
            return np.zeros((len(table.offers), dim), np.float16), np.zeros(len(table.offers), np.bool_)
        with closing(Photos(table.folder, _limits(self.photos), self.memory, self.pool, self.clock)) as photos:
            images = Images(photos, vectors, self.micro, self.pool, account, per_offer=self.photos.max_per_offer)
            image, has = images.features(table.offers, dim, on_done)
        if not has.any():
            raise DatasetUnusable(_no_photos(table, account))
        return image, has

    def _report(self, table: ReadTable, account: Account, stage: str, done: int) -> None:
        total = len(table.offers)
        self.on_progress(
            Progress(table=_shown(table), stage=stage, done=done, total=total, account=account)  # type: ignore[arg-type]
        )


def _shown(table: ReadTable) -> str:
    return f"{table.path.parent.name}/{table.path.name}"


def _limits(photos: settings.Photos) -> PhotoLimits:
    return PhotoLimits(
        max_bytes=photos.max_bytes,
        max_pixels=photos.max_pixels,
        max_photos=photos.max_per_offer,
        timeout=photos.timeout,
        connect_timeout=photos.connect_timeout,
    )


def _no_photos(table: ReadTable, account: Account) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(account.photos_failed.items()))
    return (
        f"{table.path}: expected photos, none of the {account.photos} that it lists can be had ({reasons}); "
        f"files are looked for under {table.folder}"
    )
