"""What loading a photo can end in, and the limits it runs under."""

from dataclasses import dataclass
from typing import Literal, get_args

from msgspec import Struct
from PIL import Image

Reason = Literal[
    "bad_url",  # not a URL, or one that says nothing
    "unsupported_scheme",  # neither file, data, http nor https, also after a redirect
    "forbidden_path",  # a file outside the allowed folder, or no folder is allowed
    "not_found",  # no such file; HTTP 404 and 410
    "refused",  # not allowed: file permissions; HTTP 401, 402, 403, 407 and 451
    "http_error",  # any other answer than 200 that will not change by itself
    "server_error",  # HTTP 408, 425, 429 and 5xx: may go well later
    "too_many_redirects",
    "file_error",  # the disk or this process is ill (too many open files, say): may go well later
    "timeout",  # no whole photo within the time, however busily it drips
    "network",  # name not found, no connection, TLS, an answer that breaks off
    "too_large",  # more bytes than allowed, packed or unpacked
    "too_many_pixels",  # larger than allowed by its header; nothing was decoded
    "not_an_image",  # HTML, SVG, text, or a format that is not accepted
    "truncated",  # an image that ends too early
    "decode_error",  # an image that is broken in another way
    "cancelled",  # the loader was closed meanwhile: says nothing about the photo
]
#: All reasons; a closed set, fit for a metric label.
REASONS: frozenset[str] = frozenset(get_args(Reason))
#: Reasons for which the same URL may give a photo later.
TRANSIENT: frozenset[str] = frozenset({"timeout", "network", "server_error", "file_error", "cancelled"})
#: Characters of a problem's detail at most.
MAX_DETAIL = 200


class PhotoLimits(Struct, frozen=True, kw_only=True):
    """How much a photo may cost. Sizes in bytes and pixels, times in seconds.

    `max_side`: longer side. `timeout`: from the request to the last byte, redirects included. `connect_timeout`: for
    each connection. `max_photos`: of one offer, for callers to apply.
    A photo takes up to twenty bytes a pixel while it is decoded (WebP; AVIF and progressive JPEG fifteen, others
    ten), in each thread that loads.
    """

    max_bytes: int = 10 * 1024 * 1024
    max_pixels: int = 40_000_000
    max_side: int = 20_000
    timeout: float = 10.0
    connect_timeout: float = 3.0
    max_photos: int = 8
    max_redirects: int = 3

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_pixels", "max_side", "timeout", "connect_timeout", "max_photos"):
            if not getattr(self, name) > 0:
                raise ValueError(f"expected {name} to be positive, got {getattr(self, name)}")
        if self.max_redirects < 0:
            raise ValueError(f"expected max_redirects to be 0 or more, got {self.max_redirects}")


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo: RGB, upright, on white. `size` is the original's (width, height), `bytes_read` its file size.

    `image` can be smaller than the original: see `PhotoLoader.target_side`.
    """

    image: Image.Image
    size: tuple[int, int]
    bytes_read: int


class PhotoProblem(Struct, frozen=True):
    """Why there is no photo. `detail` is for people, one line of at most `MAX_DETAIL` characters."""

    reason: Reason
    detail: str

    @property
    def transient(self) -> bool:
        """Whether trying again later makes sense."""
        return self.reason in TRANSIENT


class PhotoError(Exception):
    """A problem on its way to becoming a `PhotoProblem`; does not leave this package."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason

    def problem(self) -> PhotoProblem:
        line = "".join(c if c.isprintable() else " " for c in str(self))
        return PhotoProblem(self.reason, line[:MAX_DETAIL])
