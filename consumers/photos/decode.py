"""From the bytes of a photo to upright RGB on white, without ever decoding more pixels than allowed."""

import math
import struct
import warnings
from io import BytesIO

from PIL import Image, UnidentifiedImageError

from consumers.photos.bombs import check_scans, check_tiles, turn
from consumers.photos.canvas import on_white, turn_upright
from consumers.photos.outcome import Photo, PhotoError, PhotoLimits

# Corrupt notes beside the pixels are common, and Pillow warns of each with a text of its own.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

#: What shops show. Pillow reads more, but some of that runs other programs (EPS) or is seldom exercised.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")
#: How Pillow's decoders say that the data ends too early.
_CUT = ("truncated", "end of", "unexpected eof", "incomplete", "not enough", "buffer is not large enough")
#: First bytes of what is an image, even if its header cannot be read; AVIF's come after a length.
_SIGNS = (
    (b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n", "PNG"), (b"GIF8", "GIF"), (b"ftypavi", "AVIF"),
    (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"),
)  # fmt: skip
_SIGN_AT = {"AVIF": 4}


def decode(data: bytes, limits: PhotoLimits, target_side: int) -> Photo:
    """Decodes the first frame. A JPEG may come out smaller, with a shorter side of at least `target_side` pixels.

    Raises PhotoError: too_many_pixels, not_an_image, truncated, decode_error.
    """
    _check_whole(data)
    check_scans(data)
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as opened:
            size = _checked_size(opened, limits)
            check_tiles(opened, limits)
            factor = target_side / min(size)
            if factor < 1:
                # Only JPEG listens: its decoder skips the detail that nobody would see.
                opened.draft(None, (math.ceil(size[0] * factor), math.ceil(size[1] * factor)))
            with turn(opened):
                opened.load()
            turn_upright(opened)
            return Photo(on_white(opened), size, len(data))
    except PhotoError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError("too_many_pixels", str(error)) from error
    except UnidentifiedImageError as error:
        if started := next((name for sign, name in _SIGNS if data.startswith(sign, _SIGN_AT.get(name, 0))), None):
            raise PhotoError("decode_error", f"starts like {started}, but the header is broken") from error
        raise PhotoError("not_an_image", f"expected one of {', '.join(FORMATS)}, got {_looks_like(data)}") from error
    except Exception as error:  # decoders raise nearly everything: OSError, SyntaxError, struct.error, IndexError …
        text = f"{type(error).__name__}: {error}"
        cut = isinstance(error, (EOFError, struct.error)) or any(sign in text.lower() for sign in _CUT)
        raise PhotoError("truncated" if cut else "decode_error", text) from error


def _checked_size(image: Image.Image, limits: PhotoLimits) -> tuple[int, int]:
    width, height = image.size
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise PhotoError(
            "too_many_pixels",
            f"expected at most {limits.max_pixels} pixels and {limits.max_side} a side, got {width} by {height}",
        )
    return width, height


def _check_whole(data: bytes) -> None:
    """WebP's decoder calls a file that is cut an error like any other; the length in its header knows better."""
    expected = int.from_bytes(data[4:8], "little") + 8
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) < expected:
        raise PhotoError("truncated", f"expected {expected} bytes of WebP, got {len(data)}")


def _looks_like(data: bytes) -> str:
    head = data[:512].lstrip().lower()
    if not head:
        return "nothing"
    for sign, name in ((b"<svg", "SVG"), (b"<!doctype html", "HTML"), (b"<html", "HTML"), (b"<?xml", "XML")):
        if head.startswith(sign) or (sign == b"<svg" and sign in head):
            return name
    return f"bytes that start with {data[:8].hex()}"
