"""Small files that cost much although their size in pixels is within the limits: refused before anything is decoded."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, TiffImagePlugin

from consumers.photos.outcome import PhotoError, PhotoLimits

#: Scans of a JPEG at most. A progressive one has about ten; each costs a pass over all pixels and may take 60 bytes.
MAX_SCANS = 100
#: AVIF photos that are decoded at once. What is decoded first is the frame in the stream, as large as it likes: its
#: decoder allows 268 million pixels (some 0.6 GB) whatever the file's header says.
AVIF_AT_ONCE = 4
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_avif = threading.BoundedSemaphore(AVIF_AT_ONCE)


def check_scans(data: bytes) -> None:
    """Raises PhotoError: decode_error, for a JPEG that would be gone over again and again."""
    # Inside compressed data no FF is followed by anything but 00 and restart marks, so what is counted is scans, and a
    # few of thumbnails.
    if data.startswith(b"\xff\xd8\xff") and (scans := data.count(b"\xff\xda")) > MAX_SCANS:
        raise PhotoError("decode_error", f"expected at most {MAX_SCANS} scans of a JPEG, got {scans}")


def check_tiles(image: Image.Image, limits: PhotoLimits) -> None:
    """Raises PhotoError: too_many_pixels, for a TIFF whose tiles are larger than any image may be.

    A tile is unpacked whole, however little of it the image shows.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    width, length = (_number(image.tag_v2.get(tag)) for tag in (_TILE_WIDTH, _TILE_LENGTH))
    if width * length > limits.max_pixels or max(width, length) > limits.max_side:
        raise PhotoError(
            "too_many_pixels",
            f"expected tiles of at most {limits.max_pixels} pixels and {limits.max_side} a side, "
            f"got {width} by {length}",
        )


@contextmanager
def turn(image: Image.Image) -> Iterator[None]:
    """Waits where too many photos of a costly kind are decoded already."""
    if image.format != "AVIF":
        yield
        return
    with _avif:
        yield


def _number(value: object) -> int:
    """A tag's value; what is no number is none of libtiff's either."""
    return value if isinstance(value, int) else 0
