"""The image features of a table's offers: from the cache where it has them, encoded and kept where it has not."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future

import numpy as np
from msgspec import Struct

from consumers.datasets.account import Account
from consumers.datasets.cache import Vectors
from consumers.datasets.micro import MicroBatches
from consumers.datasets.photos import Found, Photos, image_key
from consumers.photos import PhotoProblem
from matcher.arrays import AnyArray, BoolArray, F16Array
from matcher.encoding import Encodable
from matcher.events.offer import Offer

#: Offers whose photos are looked up at once: what they fetch from the web waits in memory to be encoded.
_AT_ONCE = 256


class _PhotoSet(Struct, frozen=True):
    """The photos that some offers (`rows`) show, all the same."""

    photos: Sequence[Found]
    rows: list[int]


_Pixels = Sequence[AnyArray | PhotoProblem]


class Images:
    """Looks up, decodes and encodes the photos of one table."""

    def __init__(
        self,
        photos: Photos,
        vectors: Vectors,
        micro: MicroBatches,
        pool: Executor,
        account: Account,
        *,
        per_offer: int,
    ) -> None:
        """`per_offer`: how many photos of an offer are looked at; `pool` decodes."""
        self._photos = photos
        self._vectors = vectors
        self._micro = micro
        self._pool = pool
        self._account = account
        self._per_offer = per_offer

    def features(self, offers: Sequence[Offer], dim: int, on_done: Callable[[int], None]) -> tuple[F16Array, BoolArray]:
        """`f16[n, dim]`, the mean over an offer's photos that can be had, and which offers have any."""
        rows = np.zeros((len(offers), dim), np.float16)
        has = np.zeros(len(offers), np.bool_)
        with_photos = [row for row, offer in enumerate(offers) if offer.image_urls]
        done = len(offers) - len(with_photos)
        on_done(done)
        for start in range(0, len(with_photos), _AT_ONCE):
            some = with_photos[start : start + _AT_ONCE]
            sets = self._sets({row: offers[row].image_urls[: self._per_offer] for row in some})
            found, there = self._vectors.read(list(sets), dim)
            missing = []
            for photo_set, vector, is_there in zip(sets.values(), found, there, strict=True):
                if is_there:
                    rows[photo_set.rows], has[photo_set.rows] = vector, True
                    self._account.images_cached += len(photo_set.rows)
                else:
                    missing.append(photo_set)
            done += len(some) - sum(len(photo_set.rows) for photo_set in missing)
            on_done(done)
            for batch, pixels in self._loaded_ahead(missing):
                for photo_set, mean in zip(batch, self._encode(batch, pixels), strict=True):
                    if mean is not None:
                        rows[photo_set.rows], has[photo_set.rows] = mean, True
                        self._account.images_encoded += len(photo_set.rows)
                    done += len(photo_set.rows)
                on_done(done)
        return rows, has

    def _sets(self, urls: dict[int, Sequence[str]]) -> dict[bytes, _PhotoSet]:
        """The different sets of photos by key; a photo that cannot be had is counted and left out."""
        looked = self._photos.look(dict.fromkeys(url for some in urls.values() for url in some))
        sets: dict[bytes, _PhotoSet] = {}
        for row, some in urls.items():
            self._account.photos += len(some)
            found = []
            for entry in (looked[url] for url in some):
                if isinstance(entry, Found):
                    found.append(entry)
                else:
                    self._account.note_photo(entry.reason)
            if found:
                sets.setdefault(image_key(found), _PhotoSet(found, [])).rows.append(row)
        return sets

    def _loaded_ahead(self, sets: Sequence[_PhotoSet]) -> Iterator[tuple[Sequence[_PhotoSet], list[_Pixels]]]:
        """Micro-batches with their pixels; while one is encoded, the photos of the next are being decoded."""
        size, submit = self._micro.batch_size, self._pool.submit
        waiting: tuple[Sequence[_PhotoSet], list[list[Future[AnyArray | PhotoProblem]]]] | None = None
        for start in range(0, len(sets), size):
            encoder = self._micro.encoder.get()
            batch = sets[start : start + size]
            loading = [[submit(self._photos.pixels, photo, encoder) for photo in one.photos] for one in batch]
            if waiting is not None:
                yield waiting[0], [[future.result() for future in futures] for futures in waiting[1]]
            waiting = batch, loading
        if waiting is not None:
            yield waiting[0], [[future.result() for future in futures] for futures in waiting[1]]

    def _encode(self, batch: Sequence[_PhotoSet], pixels: Sequence[_Pixels]) -> list[F16Array | None]:
        """The mean of each set, None where there is none. It is kept under the key of those photos that are photos:
        what the next run, which knows the others, asks for."""
        lost: dict[bytes, PhotoProblem] = {}
        good: dict[int, list[Found]] = {}
        encodable: list[Encodable] = []
        for number, (photo_set, loaded) in enumerate(zip(batch, pixels, strict=True)):
            shown: list[AnyArray] = []
            for photo, result in zip(photo_set.photos, loaded, strict=True):
                if isinstance(result, PhotoProblem):
                    lost[photo.content] = result
                    self._account.note_photo(result.reason, len(photo_set.rows))
                else:
                    shown.append(result)
                    good.setdefault(number, []).append(photo)
            if shown:
                # Without a name and text of its own, so that the photos alone are encoded.
                encodable.append(Encodable(Offer(offer_id=image_key(good[number]).hex()), tuple(shown)))
        self._photos.refuse(lost)
        means: list[F16Array | None] = [None] * len(batch)
        if encodable:
            results = self._micro.encode(encodable)
            for number, features in zip(good, results, strict=True):
                means[number] = None if features is None else features.image
                self._account.failed += len(batch[number].rows) if means[number] is None else 0
            self._vectors.write((image_key(good[n]), mean) for n in good if (mean := means[n]) is not None)
        return means
