"""One door for all photos: a URL goes in, a photo or a problem comes out, and nothing is ever raised."""

import errno
import threading
from pathlib import Path

from consumers.photos.decode import decode
from consumers.photos.outcome import Photo, PhotoError, PhotoLimits, PhotoProblem
from consumers.photos.sources import read_data, read_file
from consumers.photos.web import WebClient

#: Characters of a URL at most, `data:` aside; browsers and servers give up near here as well.
MAX_URL = 8192


class PhotoLoader:
    """Loads photos; for many threads at once, whose number the caller bounds (and with it the memory in use)."""

    def __init__(self, limits: PhotoLimits, file_root: Path | None, *, target_side: int) -> None:
        """`file_root`: the one folder that `file:` URLs may point into; None allows none.

        `target_side`: the encoder's image size in pixels; no photo is scaled to a shorter side below it while decoding.
        """
        self.limits = limits
        self.target_side = target_side
        self._file_root = file_root
        self._web: WebClient | None = None
        self._closed = False
        self._lock = threading.Lock()

    def load(self, url: str) -> Photo | PhotoProblem:
        """The photo behind a `file:`, `data:`, `http:` or `https:` URL. Never raises."""
        try:
            return decode(self._bytes(url), self.limits, self.target_side)
        except PhotoError as error:
            return error.problem()

    def close(self) -> None:
        """Ends connections; loads that are under way, and later ones, give `cancelled`."""
        with self._lock:
            self._closed = True
            web, self._web = self._web, None
        if web is not None:
            web.close()

    def _bytes(self, url: str) -> bytes:
        url = url.strip()
        scheme, colon, _ = url[:20].partition(":")
        scheme = scheme.lower()
        if not colon or not scheme:
            raise PhotoError("bad_url", f"expected a URL with file:, data:, http: or https:, got {url[:40]}")
        if scheme not in ("file", "data", "http", "https"):
            raise PhotoError("unsupported_scheme", f"expected file:, data:, http: or https:, got {scheme}:")
        if self._closed:
            raise PhotoError("cancelled", "the loader is closed")
        if scheme != "data" and len(url) > MAX_URL:
            raise PhotoError("bad_url", f"expected at most {MAX_URL} characters, got {len(url)}")
        try:
            if scheme == "data":
                return read_data(url, self.limits.max_bytes)
            if scheme == "file":
                return read_file(url, self._file_root, self.limits.max_bytes)
            return self._client().fetch(url)
        except PermissionError as error:
            raise PhotoError("refused", str(error.strerror)) from error
        except ValueError as error:
            raise PhotoError("bad_url", str(error)) from error
        except RuntimeError as error:  # what pathlib raises for links in a circle
            raise PhotoError("not_found", "the symbolic links lead nowhere") from error
        except OSError as error:
            lost = error.errno in (errno.ELOOP, errno.ENAMETOOLONG)
            raise PhotoError("not_found" if lost else "file_error", str(error.strerror)) from error

    def _client(self) -> WebClient:
        """The shared client, made when the first photo is on the web."""
        with self._lock:
            if self._closed:
                raise PhotoError("cancelled", "the loader is closed")
            if self._web is None:
                self._web = WebClient(self.limits)
            return self._web
