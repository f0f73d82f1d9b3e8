"""Photos by content: which bytes are behind each URL, without reading again what has not changed since."""

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import PIL
from msgspec import Struct

from consumers.datasets.cache.memory import Memory, Origin
from consumers.datasets.cache.vectors import KEY
from consumers.photos import Photo, PhotoLimits, PhotoLoader, PhotoProblem
from consumers.photos.decode import decode
from consumers.photos.outcome import PhotoError
from matcher.arrays import AnyArray
from matcher.clock import Clock
from matcher.encoders import Encoder

#: A file that changed this shortly before it was read may change again within the same tick of its file system's clock
#: (what git calls racy): it is read again the next time. Milliseconds.
_SETTLED_MS = 2_000
#: The stamp of what is on the web: fetched once, not asked for again.
_WEB = "web"


class Bytes(PhotoLoader):
    """A loader that parts fetching from decoding, so that the bytes can be known before anything is decoded."""

    def fetch(self, url: str) -> bytes | PhotoProblem:
        """The bytes behind a URL. Never raises."""
        try:
            return self._bytes(url)
        except PhotoError as error:
            return error.problem()

    def decoded(self, data: bytes, target_side: int) -> Photo | PhotoProblem:
        """The photo in `data`. Never raises."""
        try:
            return decode(data, self.limits, target_side)
        except PhotoError as error:
            return error.problem()


class Found(Struct, frozen=True):
    """A photo's URL and the digest of its bytes."""

    url: str
    content: bytes


class _Fetched(Struct, frozen=True):
    content: bytes
    origin: Origin | None
    data: bytes | None


class Photos:
    """The photos of one table. For one thread, which hands the loading to a pool."""

    def __init__(self, folder: Path, limits: PhotoLimits, memory: Memory, pool: Executor, clock: Clock) -> None:
        """`folder`: the only one that `file:` URLs may point into."""
        self._folder = folder
        self._memory = memory
        self._pool = pool
        self._clock = clock
        self._loader = Bytes(limits, folder, target_side=1)
        self._web: dict[str, bytes] = {}
        # Whether bytes are a photo depends on these alone.
        self._conditions = f"pillow {PIL.__version__}, {limits.max_pixels} pixels, side {limits.max_side}"

    def close(self) -> None:
        self._loader.close()

    def look(self, urls: Collection[str]) -> dict[str, Found | PhotoProblem]:
        """What is behind each URL. What came over the web is kept for `pixels` until the next call."""
        self._web = {}
        stamps = {url: stamp for url in urls if (stamp := self._stamp(url)) is not None}
        origins = {url: self._origin(url) for url in stamps}
        known = self._memory.contents({origins[url]: stamp for url, stamp in stamps.items()})
        found: dict[str, Found | PhotoProblem] = {
            url: Found(url, known[origin]) for url, origin in origins.items() if origin in known
        }
        new = [url for url in urls if url not in found]
        fetched = dict(zip(new, self._pool.map(self._fetch, new), strict=True))
        for url, result in fetched.items():
            found[url] = result if isinstance(result, PhotoProblem) else Found(url, result.content)
        good = [result for result in fetched.values() if isinstance(result, _Fetched)]
        if fresh := [result.origin for result in good if result.origin is not None]:
            self._memory.remember_origins(fresh)
        self._web = {
            url: result.data
            for url, result in fetched.items()
            if isinstance(result, _Fetched) and result.data is not None
        }
        refused = self._memory.refused({e.content for e in found.values() if isinstance(e, Found)}, self._conditions)
        for url, entry in found.items():
            if isinstance(entry, Found) and (reason := refused.get(entry.content)) is not None:
                found[url] = PhotoProblem(reason, "as when it was last looked at")  # type: ignore[arg-type]
        return found

    def pixels(self, photo: Found, encoder: Encoder) -> AnyArray | PhotoProblem:
        """What the encoder sees of it. For any thread; never raises."""
        data = self._web.get(photo.url) or self._loader.fetch(photo.url)
        if isinstance(data, PhotoProblem):
            return data
        if _digest(data) != photo.content:
            return PhotoProblem("file_error", "it changed while it was read")
        decoded = self._loader.decoded(data, encoder.image_size)
        return encoder.preprocess(decoded.image) if isinstance(decoded, Photo) else decoded

    def refuse(self, problems: Mapping[bytes, PhotoProblem]) -> None:
        """Remembers which contents are no photo, so that nobody decodes them again; what may go well later is not."""
        lasting = {content: problem.reason for content, problem in problems.items() if not problem.transient}
        if lasting:
            self._memory.remember_refused(lasting, self._conditions)

    def _fetch(self, url: str) -> _Fetched | PhotoProblem:
        before = self._stamp(url)
        data = self._loader.fetch(url)
        if isinstance(data, PhotoProblem):
            return data
        content = _digest(data)
        # A file is remembered only if nobody wrote to it meanwhile.
        same = before is not None and before == self._stamp(url)
        origin = Origin(self._origin(url), before, content) if same and before is not None else None
        return _Fetched(content, origin, data if before == _WEB else None)

    def _origin(self, url: str) -> bytes:
        return _digest(f"{self._folder}\0{url}".encode("utf-8", "surrogatepass"))

    def _stamp(self, url: str) -> str | None:
        """The state of the place that a URL names; None where it cannot be told or is not worth telling."""
        scheme = url[:6].lower()
        if scheme.startswith("http"):
            return _WEB
        if not scheme.startswith("file:"):
            return None
        try:
            state = os.stat(self._folder / os.fsdecode(unquote_to_bytes(urlsplit(url).path)))
        except (OSError, ValueError):
            return None
        if self._clock.now_ms() - state.st_mtime_ns // 1_000_000 < _SETTLED_MS:
            return None
        return f"{state.st_dev} {state.st_ino} {state.st_size} {state.st_mtime_ns}"


def image_key(photos: Sequence[Found]) -> bytes:
    """The key of the mean over these photos, in this order."""
    return _digest(b"image\0" + b"".join(photo.content for photo in photos))


def text_key(text: str) -> bytes:
    """The key of what the text tower makes of `text`."""
    return _digest(b"text\0" + text.encode())


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:KEY]
