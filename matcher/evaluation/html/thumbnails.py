"""Small photos inside the page: JPEG as data URLs, so that the report needs no other file."""

import base64
import io
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import url2pathname

from PIL import Image, ImageOps

SIDE = 168
_QUALITY = 72
#: Pixels a photo may claim to have: 64 megapixels.
_MAX_PIXELS = 64_000_000


def thumbnail(url: str) -> str | None:
    """A `data:` URL of the photo at most 168 pixels wide and high, or None where it cannot be had.

    `url` is a path, a `file:` or a `data:` URL. Nothing is fetched over a network: the report of an evaluation must not
    depend on what a shop answers today.
    """
    try:
        with Image.open(io.BytesIO(_read(url))) as image:
            if image.width * image.height > _MAX_PIXELS:
                return None
            # JPEG is then decoded at a fraction of its size.
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            small = ImageOps.exif_transpose(image).convert("RGB")
            small.thumbnail((SIDE, SIDE))
            out = io.BytesIO()
            small.save(out, "JPEG", quality=_QUALITY, optimize=True)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def _read(url: str) -> bytes:
    scheme = url.partition(":")[0].lower()
    if scheme == "data":
        head, _, payload = url.partition(",")
        return base64.b64decode(payload) if head.endswith(";base64") else unquote_to_bytes(payload)
    if scheme in ("http", "https"):
        raise ValueError("photos on the web are not fetched")
    return Path(url2pathname(urlsplit(url).path) if scheme == "file" else url).read_bytes()
