"""Answers that come packed although nobody asked for it: unpacked up to a limit, however much they hold."""

import zlib

from consumers.photos.outcome import PhotoError

_ZLIB_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}
#: What `content-encoding` may say.
ENCODINGS = ("", "identity", *_ZLIB_WINDOW)


def unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The content of an answer. Raises PhotoError: http_error, decode_error, too_large, truncated."""
    if encoding in ("", "identity"):
        return body
    if encoding not in _ZLIB_WINDOW:
        raise PhotoError("http_error", f"expected an answer that is not packed, got {encoding[:40]!r}")
    unpacker = zlib.decompressobj(_ZLIB_WINDOW[encoding])
    try:
        content = unpacker.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise PhotoError("decode_error", f"the {encoding} of the answer is broken: {error}") from error
    if len(content) > max_bytes:
        raise PhotoError("too_large", f"expected at most {max_bytes} bytes when unpacked")
    if not unpacker.eof:
        raise PhotoError("truncated", f"the {encoding} of the answer ends too early")
    return content
